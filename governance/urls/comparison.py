"""Addresses of the pages about comparison."""

from django.urls import URLPattern, URLResolver, path

from governance.views import comparison, comparison_files

urlpatterns: list[URLPattern | URLResolver] = [
    path("compare", comparison.pick, name="compare"),
    path("compare/<str:keys>", comparison.show, name="comparison"),
    path("compare/<str:keys>/comparison.csv", comparison_files.csv_file, name="comparison-csv"),
    path("compare/<str:keys>/comparison.xlsx", comparison_files.workbook, name="comparison-excel"),
    path("compare/<str:keys>/<slug:chart>.svg", comparison_files.drawing, name="comparison-chart"),
]
