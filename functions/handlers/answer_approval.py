"""Not a step of a run: whoever is asked for approval sends the answer to its URL, signed."""

from regrant.approval.http import respond as answer_approval
from regrant.step import url_step

handler = url_step(answer_approval, "approvals")
