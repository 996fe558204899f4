"""AWS CodeBuild: builds are real processes, with the credentials of their project's service role."""
