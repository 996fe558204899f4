# The queues, the cluster and its two services, as they run today: on the old role.

locals {
  image     = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
  execution = "arn:aws:iam::123456789012:role/retainwise-ecs-execution-role"
}

resource "aws_sqs_queue" "predictions_dlq" {
  name = "prod-retainwise-predictions-queue-dlq"
}

resource "aws_sqs_queue" "predictions_queue" {
  name                       = "prod-retainwise-predictions-queue"
  visibility_timeout_seconds = 30
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.predictions_dlq.arn
    maxReceiveCount     = 3
  })
}

resource "aws_ecs_cluster" "main" {
  name = "retainwise-cluster"
}

resource "aws_ecs_task_definition" "backend" {
  family                   = "retainwise-backend"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = local.execution
  task_role_arn            = aws_iam_role.old_task_role.arn
  # The old revision stays ACTIVE, so that an undo can go back to it.
  skip_destroy = true
  container_definitions = jsonencode([{
    name      = "backend"
    image     = "${local.image}/retainwise-backend:2025.11"
    essential = true
    command   = ["python", "-m", "sandbox.workloads.backend"]
    environment = [
      { name = "QUEUE_URL", value = aws_sqs_queue.predictions_queue.url },
      { name = "PREDICTIONS_TABLE", value = "prod-retainwise-predictions" },
      { name = "UPLOADS_BUCKET", value = "prod-retainwise-uploads" },
      { name = "UPLOAD_SECONDS", value = "15" },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = "/ecs/retainwise-backend"
        awslogs-region        = "us-east-1"
        awslogs-stream-prefix = "ecs"
      }
    }
  }])

  # A registration that fails leaves the old revision in the state.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_ecs_service" "backend" {
  name             = "retainwise-backend"
  cluster          = aws_ecs_cluster.main.id
  task_definition  = aws_ecs_task_definition.backend.arn
  desired_count    = 1
  launch_type      = "FARGATE"
  platform_version = "1.4.0"
  # Without it apply ends before ECS has started the tasks.
  wait_for_steady_state = true

  network_configuration {
    subnets = ["subnet-0189734441f381dcf"]
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "retainwise-worker"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = local.execution
  task_role_arn            = aws_iam_role.old_task_role.arn
  # The old revision stays ACTIVE, so that an undo can go back to it.
  skip_destroy = true
  container_definitions = jsonencode([{
    name      = "worker"
    image     = "${local.image}/retainwise-worker:2025.11"
    essential = true
    command   = ["python", "-m", "sandbox.workloads.worker"]
    environment = [
      { name = "QUEUE_URL", value = aws_sqs_queue.predictions_queue.url },
      { name = "PREDICTIONS_TABLE", value = "prod-retainwise-predictions" },
      { name = "POLL_SECONDS", value = "10" },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = "/ecs/retainwise-worker"
        awslogs-region        = "us-east-1"
        awslogs-stream-prefix = "ecs"
      }
    }
  }])

  # A registration that fails leaves the old revision in the state.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_ecs_service" "worker" {
  name             = "retainwise-worker"
  cluster          = aws_ecs_cluster.main.id
  task_definition  = aws_ecs_task_definition.worker.arn
  desired_count    = 2
  launch_type      = "FARGATE"
  platform_version = "1.4.0"
  # Without it apply ends before ECS has started the tasks.
  wait_for_steady_state = true

  network_configuration {
    subnets = ["subnet-0189734441f381dcf"]
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
}
