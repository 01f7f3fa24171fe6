# What the fleet is sized by, and what a person is called for: the alarms as a table.
locals {
  queue_metrics = {
    visible  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = local.queue } }
    inflight = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum", dimensions = { QueueName = local.queue } }
    received = { namespace = "AWS/SQS", name = "NumberOfMessagesReceived", stat = "Sum", dimensions = { QueueName = local.queue } }
    measured = { namespace = "Longshore", name = "SecondsPerMessage", stat = "Average", dimensions = { QueueName = local.queue } }
    # What the workers print each ten seconds, with the queue's counts as they ask SQS for them.
    waiting = { namespace = "Longshore", name = "MessagesWaiting", stat = "Average", dimensions = { QueueName = local.queue } }
    running = { namespace = "Longshore", name = "MessagesInFlight", stat = "Average", dimensions = { QueueName = local.queue } }
    alive   = { namespace = "Longshore", name = "Concurrency", stat = "Maximum", dimensions = { QueueName = local.queue } }
    # Tasks that the service wants: unlike those that run, it counts those that are starting.
    tasks = { namespace = "ECS/ContainerInsights", name = "DesiredTaskCount", stat = "Maximum", dimensions = { ClusterName = local.cluster_name, ServiceName = local.worker_name } }
  }
  # The HTTP API is known by an id, which is there once it is made.
  apis = [for api in [
    { is = local.has_rest, failures = "5XXError", dimensions = { ApiName = local.rest_api } },
    { is = local.has_http, failures = "5xx", dimensions = null },
  ] : api if api.is]
  calls    = { for index, api in local.apis : "arrivals${index + 1}" => { namespace = "AWS/ApiGateway", name = "Count", stat = "Sum", dimensions = api.dimensions } }
  requests = { for index, api in local.apis : "requests${index}" => local.calls["arrivals${index + 1}"] }
  failures = { for index, api in local.apis : "failures${index}" => { namespace = "AWS/ApiGateway", name = api.failures, stat = "Sum", dimensions = api.dimensions } }

  needed  = "(visible + inflight) / ${var.concurrency}"
  backlog = "visible * measured / (${var.concurrency} * ${var.backlog_target})"
  # No more tasks are needed than have a slot for each message. Missing data is 0 in arithmetic: a minute that lacks a metric has no
  # result instead.
  math_alarms = { for name, alarm in local.all_math_alarms : name => alarm if name != "api-5xx" || length(local.apis) > 0 }
  all_math_alarms = {
    scale-out = {
      description = "Tasks are missing: adds them."
      metrics     = { for name in ["visible", "inflight", "measured", "tasks"] : name => local.queue_metrics[name] }
      sums        = { backlog = local.backlog, all = local.needed }
      result      = { missing = "IF(visible > 0 AND measured > 0 AND tasks > 0, IF(backlog > all, all, backlog) - tasks)" }
      threshold   = 0.01, period = 60, periods = 1, datapoints = null, notifies = false
    }
    burst = {
      description = "Tasks are missing, as the workers see it: adds them."
      metrics     = { for name in ["waiting", "running", "measured"] : name => local.queue_metrics[name] }
      sums        = { slots = "waiting * measured / ${var.backlog_target} - running" }
      result      = { missing = "IF(waiting > 0 AND running > 0 AND measured > 0, IF(slots > waiting, waiting, slots) / ${var.concurrency})" }
      threshold   = 0.01, period = 10, periods = 2, datapoints = null, notifies = false
    }
    scale-in = {
      description = "Tasks are spare: takes them."
      metrics     = { for name in ["visible", "inflight", "tasks"] : name => local.queue_metrics[name] }
      sums        = {}
      result      = { spare = "IF(visible >= 0 AND tasks > 0, tasks - IF(${local.needed} > ${var.min_tasks}, ${local.needed}, ${var.min_tasks}))" }
      threshold   = 1, period = 120, periods = 3, datapoints = null, notifies = false
    }
    waiting = {
      description = "Messages wait for the first task: starts it."
      metrics     = merge({ for name in ["visible", "tasks", "alive"] : name => local.queue_metrics[name] }, local.calls)
      sums        = {}
      result      = { waiting = "IF(${join(" + ", concat(["visible"], keys(local.calls)))} > 0, 1, 0) - tasks - alive" }
      threshold   = 1, period = 180, periods = 2, datapoints = 1, notifies = false
    }
    stalled = {
      description = "Messages wait and none is received."
      metrics     = { for name in ["visible", "received"] : name => local.queue_metrics[name] }
      sums        = {}
      result      = { stalled = "IF(visible > 0, 1, 0) - received" }
      threshold   = 1, period = 60, periods = var.stall_limit, datapoints = null, notifies = true
    }
    beyond-capacity = {
      description = "More tasks are needed than the most that there may be."
      metrics     = { for name in ["visible", "measured"] : name => local.queue_metrics[name] }
      sums        = {}
      result      = { backlog = local.backlog }
      threshold   = var.max_tasks, period = 60, periods = 15, datapoints = 12, notifies = true
    }
    at-maximum = {
      description = "The fleet has been at its maximum, and messages wait."
      metrics     = { visible1 = local.queue_metrics.visible, tasks = local.queue_metrics.tasks }
      sums        = {}
      result      = { full = "IF(visible1 > 0 AND tasks >= ${var.max_tasks}, 1, 0)" }
      threshold   = 1, period = 60, periods = 30, datapoints = 27, notifies = true
    }
    api-5xx = {
      description = "An API answers 5xx to one request in twenty, or to more: messages are not taken."
      metrics     = merge(local.failures, local.requests)
      sums        = {}
      result      = { percent = "100 * (${join(" + ", keys(local.failures))}) / (${join(" + ", keys(local.requests))})" }
      threshold   = 5, period = 60, periods = 5, datapoints = 3, notifies = true
    }
  }
  # Nothing is known of the retention of a queue that was there before, nor of a DLQ that is not named.
  alarms = { for name, alarm in local.all_alarms : name => alarm if !(name == "near-retention" && !local.makes_queue) && alarm.metric.dimensions != null }
  all_alarms = {
    dlq-not-empty = {
      description = "Messages failed for good: look at them, mend the cause, move them back."
      metric      = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = one([for name in local.dlqs : { QueueName = name }]) }
      threshold   = 1, periods = 1
    }
    oldest-message = {
      description = "The oldest message waits for too long."
      metric      = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = { QueueName = local.queue } }
      threshold   = var.age_limit, periods = 5
    }
    near-retention = {
      description = "The oldest message has used most of the queue's retention: it is deleted unread when that ends."
      metric      = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = { QueueName = local.queue } }
      threshold   = var.queue_retention * 69120, periods = 5
    }
    memory = {
      description = "The tasks are short of memory; at 100 % ECS kills them."
      metric      = { namespace = "AWS/ECS", name = "MemoryUtilization", stat = "Maximum", dimensions = { ClusterName = local.cluster_name, ServiceName = local.worker_name } }
      threshold   = 90, periods = 5
    }
  }

  # From how far above the alarm's threshold, what changes; each step ends where the next begins, and the first has no lower end.
  scaling = {
    scale-out = { cooldown = 240, aggregation = "Maximum", steps = [[0, 1], [1, 2], [2, 4], [4, 10], [10, 100]] }
    scale-in  = { cooldown = 300, aggregation = "Minimum", steps = [[0, -1], [1, -2], [3, -4]] }
    waiting   = { cooldown = 900, aggregation = null, steps = [[0, 1]] }
  }
  # What the alarms of other names invoke.
  policies = { burst = "scale-out" }
  steps = { for name, policy in local.scaling : name => [
    for index, step in policy.steps : {
      lower  = index == 0 ? null : tostring(step[0])
      upper  = index == length(policy.steps) - 1 ? null : tostring(policy.steps[index + 1][0])
      change = step[1]
    }
  ] }
}
