"""The web process for servers that speak ASGI (uvicorn)."""

import os

from django.core.asgi import get_asgi_application

from governance.bodies import limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
application = limited(get_asgi_application())
