# The roles as they are: the old one, which both services run with, and the two that were made for them.

locals {
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  data = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:aws:s3:::prod-retainwise-uploads/*"
      },
      {
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Scan"]
        Resource = "arn:aws:dynamodb:us-east-1:123456789012:table/prod-retainwise-predictions"
      },
    ]
  })
}

resource "aws_iam_role" "old_task_role" {
  name               = "retainwise-ecs-task-role"
  assume_role_policy = local.trust
}

resource "aws_iam_role" "backend_task_role" {
  name               = "prod-retainwise-backend-task-role"
  assume_role_policy = local.trust
}

resource "aws_iam_role" "worker_task_role" {
  name               = "prod-retainwise-worker-task-role"
  assume_role_policy = local.trust
}

resource "aws_iam_role_policy" "data" {
  for_each = {
    old     = aws_iam_role.old_task_role.name
    backend = aws_iam_role.backend_task_role.name
    worker  = aws_iam_role.worker_task_role.name
  }
  name   = "retainwise-data"
  role   = each.value
  policy = local.data
}

resource "aws_iam_policy" "sqs_send" {
  name = "prod-retainwise-sqs-send"
  path = "/retainwise/"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
      Resource = aws_sqs_queue.predictions_queue.arn
    }]
  })
}

resource "aws_iam_policy" "sqs_worker" {
  name = "prod-retainwise-sqs-worker"
  path = "/retainwise/"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
      ]
      Resource = aws_sqs_queue.predictions_queue.arn
    }]
  })
}

resource "aws_iam_role_policy_attachment" "backend_send" {
  role       = aws_iam_role.backend_task_role.name
  policy_arn = aws_iam_policy.sqs_send.arn
}

resource "aws_iam_role_policy_attachment" "worker_sqs" {
  role       = aws_iam_role.worker_task_role.name
  policy_arn = aws_iam_policy.sqs_worker.arn
}
