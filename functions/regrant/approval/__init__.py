"""The answer to a question for approval: who may give it, to which plan, and what is written of it."""
