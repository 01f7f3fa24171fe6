# What the roles of a task may do: what it calls itself, and what starts it.
locals {
  queue_keys = local.makes_queue || !local.makes_key ? [local.key_arn] : []
  task_keys  = distinct(concat(local.queue_keys, compact(var.queues[*].key), length(var.notify) > 0 && local.makes_topic ? [local.key_arn] : []))
  file_system_arns = {
    for volume, mount in local.mounts : volume => "arn:${local.partition}:elasticfilesystem:${local.region}:${local.account}:file-system/${mount.id}"
  }
  consumed_arns    = concat([local.queue_arn], var.queues[*].queue)
  dead_letter_arns = concat(local.dlq_arns, compact(var.queues[*].dlq))
  task_statements = concat(
    [{ actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"], resources = local.consumed_arns, conditions = {} }],
    length(local.dead_letter_arns) == 0 ? [] : [{ actions = ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"], resources = local.dead_letter_arns, conditions = {} }],
    length(var.notify) == 0 ? [] : [{ actions = ["sns:Publish", "sns:GetTopicAttributes"], resources = [local.topic_arn], conditions = {} }],
    [{ actions = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection", "ecs:DescribeTasks"], resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${local.cluster_name}/*"], conditions = {} }],
    [{ actions = ["ecs:DescribeServices"], resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service/${local.cluster_name}/${local.worker_name}"], conditions = {} }],
    # Whether ECS gives a key that a call does not name is not documented: so each holds where it is given, and is then that of the service.
    var.scale_out != "workers" ? [] : [{ actions = ["ecs:UpdateService"], resources = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service/${local.cluster_name}/${local.worker_name}"], conditions = {
      ArnLikeIfExists             = { "ecs:task-definition" = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${local.worker_name}:*"] }
      StringEqualsIfExists        = { for key in concat(["enable-ebs-volumes", "enable-service-connect", "enable-vpc-lattice"], var.task.execute_command ? [] : ["enable-execute-command"]) : "ecs:${key}" => ["false"] }
      "ForAllValues:StringEquals" = { "ecs:subnet" = local.subnet_ids }
    } }],
    length(local.task_keys) == 0 ? [] : [{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = local.task_keys, conditions = { StringEquals = { "kms:ViaService" = ["sqs.${local.region}.amazonaws.com", "sns.${local.region}.amazonaws.com"] } } }],
    [for image in var.collector_image[*] : { actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources = ["*"], conditions = {} }],
    var.task.execute_command ? [{ actions = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"], resources = ["*"], conditions = {} }] : [],
    [for volume, mount in local.mounts : {
      actions    = concat(["elasticfilesystem:ClientMount"], mount.read_only ? [] : ["elasticfilesystem:ClientWrite"])
      resources  = [local.file_system_arns[volume]]
      conditions = { for point in mount.access_point[*] : "StringEquals" => { "elasticfilesystem:AccessPointArn" = ["arn:${local.partition}:elasticfilesystem:${local.region}:${local.account}:access-point/${point}"] } }
    }],
    var.task.statements,
  )

  # The repositories of the images, of whatever account; another account's repository has to allow it as well.
  in_ecr       = "^(\\d{12})\\.dkr\\.ecr(?:-fips)?\\.([a-z0-9-]+)\\.(?:amazonaws\\.com(?:\\.cn)?|on\\.aws)/([^:@]+)"
  images       = concat([for container in local.containers : container.image], [for router in var.task.log_router[*] : router.image])
  repositories = distinct([for image in local.images : format("arn:${local.partition}:ecr:%[2]s:%[1]s:repository/%[3]s", regex(local.in_ecr, image)...) if can(regex(local.in_ecr, image))])
  # A secret is read by its ARN without the key of its JSON, which is the eighth part.
  secrets = distinct(flatten([for container in local.containers : values(container.given.secrets)]))
  execution_statements = concat(
    [{ actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${local.worker_log_arn}:*"] }],
    [for arn in local.secrets : { actions = ["ssm:GetParameters"], resources = [arn] } if split(":", arn)[2] == "ssm"],
    [for arn in local.secrets : { actions = ["secretsmanager:GetSecretValue"], resources = [join(":", slice(split(":", arn), 0, 7))] } if split(":", arn)[2] == "secretsmanager"],
    length(local.repositories) == 0 ? [] : [
      { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] },
      { actions = concat(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], var.pull_through ? ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"] : []), resources = local.repositories },
    ],
    length(var.task.secret_keys) == 0 ? [] : [{ actions = ["kms:Decrypt"], resources = var.task.secret_keys }],
  )
}
