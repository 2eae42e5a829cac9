"""Forms are drawn by our own templates, with the label, the hint and the error tied to the field."""

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Draws a whole form and each field of it."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"
