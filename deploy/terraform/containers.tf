# The containers of a task: the worker, and beside it the handler, the collector and the router of logs where there are such.
locals {
  works = concat(
    [{ name = "JOBS", url = local.queue_url, concurrency = var.concurrency, visibility = var.visibility, timeout = var.task_timeout, batch_size = var.batch_size, handler = local.handler, notify = var.notify }],
    [for one in var.queues : {
      name        = upper(one.name)
      url         = local.url_of[one.queue]
      concurrency = coalesce(one.concurrency, var.concurrency)
      visibility  = coalesce(one.visibility, var.visibility)
      timeout     = coalesce(one.timeout, var.task_timeout)
      batch_size  = coalesce(one.batch_size, var.batch_size)
      handler     = one.handler != null ? one.handler : local.http_handler
      notify      = []
    }],
  )
  environment = merge(
    {
      LONGSHORE__AWS__REGION           = local.region
      LONGSHORE__ECS__METRICS_INTERVAL = "10s"
      LONGSHORE__ECS__STOP_TIMEOUT     = "120s"
      LONGSHORE__LOG__FILTER           = var.log_filter
    },
    var.scale_out == "workers" ? { LONGSHORE__ECS__SCALE_OUT_TO = tostring(var.max_tasks), LONGSHORE__ECS__BACKLOG_TARGET = "${var.backlog_target}s" } : {},
    [for work in local.works : { for name, value in merge(
      {
        URL             = work.url
        CONCURRENCY     = tostring(work.concurrency)
        VISIBILITY      = "${work.visibility}s"
        TIMEOUT         = "${work.timeout}s"
        BATCH__SIZE     = tostring(work.batch_size)
        DEPTH__INTERVAL = "10s"
      },
      { for name, value in work.handler : "HANDLER__${upper(name)}" => value },
      { for outcome in work.notify : "NOTIFY__ON_${upper(outcome)}" => local.topic_arn },
    ) : "LONGSHORE__QUEUES__${work.name}__${name}" => value }]...
  )
  http_handler = { kind = "http", url = "http://127.0.0.1:${var.handler_port}/" }
  handler      = var.handler != null ? var.handler : local.http_handler
  # Where traces go, by OpenTelemetry's own variables, which the worker and the handler's SDK read alike.
  tracing = { for name, service in { worker = local.worker_name, handler = "${local.worker_name}-handler" } : name => var.collector_image == null ? {} : {
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4317"
    OTEL_EXPORTER_OTLP_PROTOCOL = "grpc"
    OTEL_SERVICE_NAME           = service
  } }
  # Traces go to X-Ray; the worker's metrics are scraped where it serves them.
  collector_config = <<-EOT
    receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:4317"}, http: {endpoint: "127.0.0.1:4318"}}}}
    exporters: {awsxray: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [awsxray]}}}
  EOT

  # Of each container what the team says, what is said here, and its volume for temporary files: the root file systems are read-only.
  containers = merge(
    { worker = { image = var.image, given = local.given.worker, variables = merge(local.environment, local.tracing.worker), temporary = ["tmp"] } },
    { for image in var.handler_image[*] : "handler" => { image = image, given = local.given.handler, variables = local.tracing.handler, temporary = ["handler-tmp"] } },
    { for image in var.collector_image[*] : "collector" => { image = image, given = local.plain, variables = { AOT_CONFIG_CONTENT = local.collector_config }, temporary = [] } },
  )
  plain = { environment = {}, secrets = {}, command = null, user = null, health_check = null, ulimits = null, file_systems = [] }
  given = { for name in ["worker", "handler"] : name => try(var.containers[name], local.plain) }

  log_options = {
    for name in concat(keys(local.containers), ["log-router"]) : name => merge(
      { awslogs-group = local.worker_log, awslogs-region = local.region, awslogs-stream-prefix = name, mode = "non-blocking" },
      { for size in var.task.log_buffer[*] : "max-buffer-size" => "${size * 1048576}b" },
    )
  }
  # A volume of EFS, by the container that mounts it.
  mounts = merge([
    for name, container in local.containers : { for index, system in container.given.file_systems : "${name}-efs-${index + 1}" => merge(system, { container = name }) }
  ]...)

  # A helper that fails is started again: the worker pauses meanwhile, and no work that is under way is lost with it.
  definitions_of = { for name, container in local.containers : name => merge(
    {
      name                   = name
      image                  = container.image
      essential              = name == "worker"
      readonlyRootFilesystem = !var.task.execute_command
      stopTimeout            = 120
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
      mountPoints = concat(
        [for volume in container.temporary : { sourceVolume = volume, containerPath = "/tmp", readOnly = false }],
        [for volume, mount in local.mounts : { sourceVolume = volume, containerPath = mount.path, readOnly = mount.read_only } if mount.container == name],
      )
      logConfiguration = {
        logDriver = var.task.log_router == null ? "awslogs" : "awsfirelens"
        options   = var.task.log_router == null ? local.log_options[name] : var.task.log_router.options
      }
      environment = [for key, value in merge(container.variables, container.given.environment) : { name = key, value = value }]
      secrets     = [for key, arn in container.given.secrets : { name = key, valueFrom = arn }]
      ulimits     = [for limit, value in coalesce(container.given.ulimits, name == "worker" ? { nofile = 65536 } : {}) : { name = limit, softLimit = value, hardLimit = value }]
    },
    { for command in [container.given.command == null && name == "worker" ? ["run"] : container.given.command] : "command" => command if command != null },
    { for user in container.given.user[*] : "user" => user },
    { for check in container.given.health_check[*] : "healthCheck" => { command = check.command, interval = check.interval, timeout = check.timeout, retries = check.retries, startPeriod = check.start_period } },
    name == "worker" ? {} : { restartPolicy = { enabled = true, restartAttemptPeriod = 60 } },
  ) }
  worker_only = merge(
    { dependsOn = [for name in ["handler", "collector"] : { containerName = name, condition = name == "handler" && local.given.handler.health_check != null ? "HEALTHY" : "START" } if contains(keys(local.containers), name)] },
    local.given.worker.health_check != null ? {} : { healthCheck = { command = ["CMD", "longshore", "healthcheck"], interval = 10, timeout = 5, retries = 3, startPeriod = 30 } },
  )
  # ECS writes the router's configuration into it when it starts, so its root file system is not read-only.
  routers = [for router in var.task.log_router[*] : {
    name                  = "log-router"
    image                 = router.image
    essential             = true
    stopTimeout           = 120
    firelensConfiguration = { type = "fluentbit" }
    logConfiguration      = { logDriver = "awslogs", options = local.log_options["log-router"] }
  }]
  container_definitions = jsonencode(concat(
    [merge(local.definitions_of.worker, local.worker_only)],
    [for name in ["handler", "collector"] : local.definitions_of[name] if contains(keys(local.containers), name)],
    local.routers,
  ))
}
