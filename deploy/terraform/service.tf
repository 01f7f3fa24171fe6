# The fleet: a service of ECS on Fargate, its task, and the task's two roles.
locals {
  environment = merge(
    {
      LONGSHORE__QUEUES__JOBS__URL         = aws_sqs_queue.this.id
      LONGSHORE__QUEUES__JOBS__CONCURRENCY = tostring(var.concurrency)
      LONGSHORE__QUEUES__JOBS__VISIBILITY  = "${var.visibility}s"
      LONGSHORE__QUEUES__JOBS__TIMEOUT     = "${var.task_timeout}s"
      LONGSHORE__QUEUES__JOBS__BATCH__SIZE = tostring(var.batch_size)
      LONGSHORE__AWS__REGION               = local.region
      LONGSHORE__ECS__STOP_TIMEOUT         = "120s"
      LONGSHORE__LOG__FILTER               = var.log_filter
    },
    { for name, value in local.handler : "LONGSHORE__QUEUES__JOBS__HANDLER__${upper(name)}" => value },
    { for outcome in var.notify : "LONGSHORE__QUEUES__JOBS__NOTIFY__ON_${upper(outcome)}" => aws_sns_topic.this.arn },
  )
  handler = var.handler != null ? var.handler : { kind = "http", url = "http://127.0.0.1:${var.handler_port}/" }

  # The root file systems are read-only, and nothing has a capability.
  common = { for name, volume in { worker = "tmp", handler = "handler-tmp" } : name => {
    name                   = name
    readonlyRootFilesystem = true
    stopTimeout            = 120
    linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
    mountPoints            = [{ sourceVolume = volume, containerPath = "/tmp", readOnly = false }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.worker.name
        awslogs-region        = local.region
        awslogs-stream-prefix = name
        mode                  = "non-blocking"
      }
    }
  } }
  worker_container = merge(local.common.worker, {
    image       = var.image
    essential   = true
    command     = ["run"]
    environment = [for name, value in local.environment : { name = name, value = value }]
    healthCheck = { command = ["CMD", "longshore", "healthcheck"], interval = 10, timeout = 5, retries = 3, startPeriod = 30 }
    ulimits     = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    dependsOn   = [for image in var.handler_image[*] : { containerName = "handler", condition = "START" }]
  })
  # A handler that fails is started again: the worker pauses meanwhile, and no work that is under way is lost with it.
  handler_containers = [for image in var.handler_image[*] : merge(local.common.handler, {
    image         = image
    essential     = false
    restartPolicy = { enabled = true, restartAttemptPeriod = 60 }
  })]
}

data "aws_iam_policy_document" "tasks_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
  }
}

data "aws_iam_policy_document" "task" {
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.this.arn]
  }
  statement {
    actions   = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.dlq.arn]
  }
  dynamic "statement" {
    for_each = length(var.notify) == 0 ? [] : [aws_sns_topic.this.arn]
    content {
      actions   = ["sns:Publish", "sns:GetTopicAttributes"]
      resources = [statement.value]
    }
  }
  statement {
    actions   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.prefix}/*"]
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sqs.${local.region}.amazonaws.com", "sns.${local.region}.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${local.region}:${local.account}:repository/*"]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.worker.arn}:*"]
  }
}

resource "aws_iam_role" "task" {
  name_prefix        = "${substr(local.prefix, 0, 30)}-task-"
  assume_role_policy = data.aws_iam_policy_document.tasks_trust.json
}

resource "aws_iam_role_policy" "task" {
  name   = "Task"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${substr(local.prefix, 0, 30)}-run-"
  assume_role_policy = data.aws_iam_policy_document.tasks_trust.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "Task"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

resource "aws_ecs_cluster" "this" {
  name = local.prefix
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.worker
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode(concat([local.worker_container], local.handler_containers))
  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }
  volume {
    name = "tmp"
  }
  dynamic "volume" {
    for_each = var.handler_image[*]
    content {
      name = "handler-tmp"
    }
  }
  lifecycle {
    precondition {
      condition     = var.handler_image == null || var.handler == null
      error_message = "handler and handler_image exclude each other."
    }
    precondition {
      condition     = var.min_tasks <= var.max_tasks
      error_message = "min_tasks must be at most max_tasks."
    }
  }
}

# It has no desired count of its own: a deployment must not undo the scaling.
resource "aws_ecs_service" "this" {
  name                               = local.worker
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  availability_zone_rebalancing      = "DISABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 100 - var.spot_share
  }
  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = var.spot_share
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = local.subnet_ids
    security_groups  = local.group_ids
    assign_public_ip = var.network == "public"
  }
  lifecycle {
    ignore_changes = [desired_count]
  }
  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.task, aws_iam_role_policy.execution, aws_route.internet, aws_vpc_endpoint.this]
}
