"""Django with the settings of the tests, before anything of it is imported. Import this first."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web_settings")
django.setup()
