"""The only modules that import boto3: AWS's calls, errors and shapes, translated once at the edge."""
