"""Stage 2: what is missing and why (contain), is the declared role fit (cure), what has expired (expire)."""
