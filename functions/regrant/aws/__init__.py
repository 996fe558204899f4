"""The only modules that import the SDK: AWS's calls, errors and shapes, translated once at the edge."""
