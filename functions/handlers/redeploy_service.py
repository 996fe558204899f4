"""Task state RedeployService."""

from regrant.change.redeploy import redeploy_service
from regrant.step import step

handler = step(redeploy_service, "services", "journal")
