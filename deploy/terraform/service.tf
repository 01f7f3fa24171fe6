# The fleet: a service of ECS on Fargate, its task, and the task's two roles.
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
  dynamic "statement" {
    for_each = local.task_statements
    content {
      actions   = statement.value.actions
      resources = statement.value.resources
      dynamic "condition" {
        for_each = merge([for test, variables in statement.value.conditions : { for variable, values in variables : "${test} ${variable}" => { test = test, variable = variable, values = values } }]...)
        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

data "aws_iam_policy_document" "execution" {
  dynamic "statement" {
    for_each = local.execution_statements
    content {
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role" "task" {
  name_prefix        = "${substr(local.prefix, 0, 30)}-task-"
  assume_role_policy = data.aws_iam_policy_document.tasks_trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "Task"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

resource "aws_iam_role_policy_attachment" "task" {
  count      = length(var.task.managed_policies)
  role       = aws_iam_role.task.name
  policy_arn = var.task.managed_policies[count.index]
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${substr(local.prefix, 0, 30)}-run-"
  assume_role_policy = data.aws_iam_policy_document.tasks_trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "Task"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# An account has one for all clusters.
resource "aws_iam_service_linked_role" "ecs" {
  count            = local.makes_ecs_role ? 1 : 0
  aws_service_name = "ecs.amazonaws.com"
  tags             = var.tags
}

resource "aws_ecs_cluster" "this" {
  count = local.makes_cluster ? 1 : 0
  name  = local.prefix
  tags  = var.tags
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
  depends_on = [aws_iam_service_linked_role.ecs]
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count              = local.makes_cluster ? 1 : 0
  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.worker_name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = local.container_definitions
  tags                     = var.tags
  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }
  dynamic "ephemeral_storage" {
    for_each = var.task.ephemeral_storage[*]
    content {
      size_in_gib = ephemeral_storage.value
    }
  }
  dynamic "volume" {
    for_each = toset(flatten([for container in local.containers : container.temporary]))
    content {
      name = volume.value
    }
  }
  dynamic "volume" {
    for_each = local.mounts
    content {
      name = volume.key
      efs_volume_configuration {
        file_system_id     = volume.value.id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.access_point
          iam             = "ENABLED"
        }
      }
    }
  }
  lifecycle {
    precondition {
      condition     = length(local.problems) == 0
      error_message = join("\n", concat(["it cannot work so:"], local.problems))
    }
  }
}

# It has no desired count of its own: a deployment must not undo the scaling.
resource "aws_ecs_service" "this" {
  name                               = local.worker_name
  cluster                            = local.makes_cluster ? aws_ecs_cluster.this[0].id : local.cluster_name
  enable_execute_command             = var.task.execute_command
  task_definition                    = aws_ecs_task_definition.this.arn
  availability_zone_rebalancing      = "DISABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  # The providers of a cluster that was there before may be others.
  launch_type = local.makes_cluster || var.spot_share > 0 ? null : "FARGATE"
  tags        = var.tags
  dynamic "capacity_provider_strategy" {
    for_each = local.makes_cluster || var.spot_share > 0 ? { FARGATE = 100 - var.spot_share, FARGATE_SPOT = var.spot_share } : {}
    content {
      capacity_provider = capacity_provider_strategy.key
      weight            = capacity_provider_strategy.value
    }
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = local.subnet_ids
    security_groups  = local.group_ids
    assign_public_ip = var.network == "public" || (var.network == "existing" && var.public_ip)
  }
  lifecycle {
    ignore_changes = [desired_count]
  }
  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.task, aws_iam_role_policy.execution, aws_route.internet, aws_vpc_endpoint.this, aws_vpc_endpoint.gateway]
}
