# What the fleet is sized by, and what a person is called for: the alarms as a table.
locals {
  # What the fleet consumes, each with what follows its alarms' names: the first goes without.
  loads = concat(
    [{ suffix = "", queue = local.queue, dlqs = local.dlqs, concurrency = var.concurrency, is_fifo = local.is_fifo }],
    [for one in var.queues : {
      suffix      = "-${one.name}"
      queue       = reverse(split(":", one.queue))[0]
      dlqs        = [for arn in one.dlq[*] : reverse(split(":", arn))[0]]
      concurrency = coalesce(one.concurrency, var.concurrency)
      is_fifo     = endswith(one.queue, ".fifo")
    }],
  )
  queue_metrics = [for load in local.loads : {
    visible  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = load.queue } }
    inflight = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum", dimensions = { QueueName = load.queue } }
    received = { namespace = "AWS/SQS", name = "NumberOfMessagesReceived", stat = "Sum", dimensions = { QueueName = load.queue } }
    oldest   = { namespace = "AWS/SQS", name = "ApproximateAgeOfOldestMessage", stat = "Maximum", dimensions = { QueueName = load.queue } }
    measured = { namespace = "Longshore", name = "SecondsPerMessage", stat = "Average", dimensions = { QueueName = load.queue } }
    # What the workers print each ten seconds, with the queue's counts as they ask SQS for them.
    waiting = { namespace = "Longshore", name = "MessagesWaiting", stat = "Average", dimensions = { QueueName = load.queue } }
    running = { namespace = "Longshore", name = "MessagesInFlight", stat = "Average", dimensions = { QueueName = load.queue } }
  }]
  # Tasks that the service wants: unlike those that run, it counts those that are starting.
  tasks = { namespace = "ECS/ContainerInsights", name = "DesiredTaskCount", stat = "Maximum", dimensions = { ClusterName = local.cluster_name, ServiceName = local.worker_name } }
  alive = { namespace = "Longshore", name = "Concurrency", stat = "Maximum", dimensions = { QueueName = local.queue } }
  # By the place of a queue, what follows the ids of its metrics where several are in one sum.
  places = ["", "2", "3", "4"]
  # The HTTP API is known by an id, which is there once it is made.
  apis = [for api in [
    { is = local.has_rest, failures = "5XXError", dimensions = { ApiName = local.rest_api } },
    { is = local.has_http, failures = "5xx", dimensions = null },
  ] : api if api.is]
  calls    = { for index, api in local.apis : "arrivals${index + 1}" => { namespace = "AWS/ApiGateway", name = "Count", stat = "Sum", dimensions = api.dimensions } }
  requests = { for index, api in local.apis : "requests${index}" => local.calls["arrivals${index + 1}"] }
  failures = { for index, api in local.apis : "failures${index}" => { namespace = "AWS/ApiGateway", name = api.failures, stat = "Sum", dimensions = api.dimensions } }

  # The slots that each queue needs, and the most of them: Terraform has no way to fold a list.
  needed   = [for index, load in local.loads : "(visible${local.places[index]} + inflight${local.places[index]}) / ${load.concurrency}"]
  of_two   = length(local.needed) < 2 ? local.needed[0] : "IF(${local.needed[0]} > ${local.needed[1]}, ${local.needed[0]}, ${local.needed[1]})"
  of_three = length(local.needed) < 3 ? local.of_two : "IF(${local.of_two} > ${local.needed[2]}, ${local.of_two}, ${local.needed[2]})"
  most     = length(local.needed) < 4 ? local.of_three : "IF(${local.of_three} > ${local.needed[3]}, ${local.of_three}, ${local.needed[3]})"
  visibles = { for index, metrics in local.queue_metrics : "visible${local.places[index]}" => metrics.visible }
  # No more tasks are needed than have a slot for each message. Missing data is 0 in arithmetic: a minute that lacks a metric has no
  # result instead.
  math_alarms = merge(concat(
    [for index, load in local.loads : {
      "scale-out${load.suffix}" = {
        section     = "scale-out"
        description = "Tasks are missing: adds them."
        metrics     = merge({ for name in ["visible", "inflight", "measured"] : name => local.queue_metrics[index][name] }, { tasks = local.tasks })
        sums        = { backlog = "visible * measured / (${load.concurrency} * ${var.backlog_target})", all = "(visible + inflight) / ${load.concurrency}" }
        result      = { missing = "IF(visible > 0 AND measured > 0 AND tasks > 0, IF(backlog > all, all, backlog) - tasks)" }
        threshold   = 0.01, period = 60, periods = 1, datapoints = null, policy = "scale-out${load.suffix}"
      }
      "stalled${load.suffix}" = {
        section     = "stalled"
        description = "Messages wait and none is received."
        metrics     = { for name in ["visible", "received"] : name => local.queue_metrics[index][name] }
        sums        = {}
        result      = { stalled = "IF(visible > 0, 1, 0) - received" }
        threshold   = 1, period = 60, periods = var.stall_limit, datapoints = null, policy = null
      }
      "beyond-capacity${load.suffix}" = {
        section     = "beyond-capacity"
        description = "More tasks are needed than the most that there may be."
        metrics     = { for name in ["visible", "measured"] : name => local.queue_metrics[index][name] }
        sums        = {}
        result      = { backlog = "visible * measured / (${load.concurrency} * ${var.backlog_target})" }
        threshold   = var.max_tasks, period = 60, periods = 15, datapoints = 12, policy = null
      }
    }],
    # Where the workers order tasks, they see a burst themselves.
    [for index, load in local.loads : {
      "burst${load.suffix}" = {
        section     = "burst"
        description = "Tasks are missing, as the workers see it: adds them."
        metrics     = { for name in ["waiting", "running", "measured"] : name => local.queue_metrics[index][name] }
        sums        = { slots = "waiting * measured / ${var.backlog_target} - running" }
        result      = { missing = "IF(waiting > 0 AND running > 0 AND measured > 0, IF(slots > waiting, waiting, slots) / ${load.concurrency})" }
        threshold   = 0.01, period = 10, periods = 2, datapoints = null, policy = "scale-out${load.suffix}"
      }
    } if var.scale_out == "alarms"],
    [{
      scale-in = {
        section     = "scale-in"
        description = "Tasks are spare: takes them."
        metrics     = merge(local.visibles, { for index, metrics in local.queue_metrics : "inflight${local.places[index]}" => metrics.inflight }, { tasks = local.tasks })
        sums        = {}
        result      = { spare = "IF(${join("", [for id in keys(local.visibles) : "${id} >= 0 AND "])}tasks > 0, tasks - IF(${local.most} > ${var.min_tasks}, ${local.most}, ${var.min_tasks}))" }
        threshold   = 1, period = 120, periods = 3, datapoints = null, policy = "scale-in"
      }
      waiting = {
        section     = "waiting"
        description = "Messages wait for the first task: starts it."
        metrics     = merge(local.visibles, { tasks = local.tasks, alive = local.alive }, local.calls)
        sums        = {}
        result      = { waiting = "IF(${join(" + ", concat(keys(local.visibles), keys(local.calls)))} > 0, 1, 0) - tasks - alive" }
        threshold   = 1, period = 180, periods = 2, datapoints = 1, policy = "waiting"
      }
      at-maximum = {
        section     = "at-maximum"
        description = "The fleet has been at its maximum, and messages wait."
        metrics     = merge({ for index, metrics in local.queue_metrics : "visible${index + 1}" => metrics.visible }, { tasks = local.tasks })
        sums        = {}
        result      = { full = "IF(${join(" + ", [for index, _ in local.loads : "visible${index + 1}"])} > 0 AND tasks >= ${var.max_tasks}, 1, 0)" }
        threshold   = 1, period = 60, periods = 30, datapoints = 27, policy = null
      }
    }],
    length(local.apis) == 0 ? [] : [{
      api-5xx = {
        section     = "api-5xx"
        description = "An API answers 5xx to one request in twenty, or to more: messages are not taken."
        metrics     = merge(local.failures, local.requests)
        sums        = {}
        result      = { percent = "100 * (${join(" + ", keys(local.failures))}) / (${join(" + ", keys(local.requests))})" }
        threshold   = 5, period = 60, periods = 5, datapoints = 3, policy = null
      }
    }],
  )...)
  # Nothing is known of the retention of a queue that was there before, nor of a DLQ that is not named. The fleet grows by the oldest message,
  # too, without the workers' metrics; a FIFO queue looks old by one group that fails, whatever the fleet.
  alarms = merge(concat(
    [for index, load in local.loads : {
      "oldest-message${load.suffix}" = {
        section     = "oldest-message"
        description = "The oldest message waits for too long."
        metric      = local.queue_metrics[index].oldest
        threshold   = var.age_limit, periods = 5, policies = load.is_fifo ? [] : ["waiting"]
      }
    }],
    [for load in local.loads : { for dlq in load.dlqs : "dlq-not-empty${load.suffix}" => {
      section     = "dlq-not-empty"
      description = "Messages failed for good: look at them, mend the cause, move them back."
      metric      = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = dlq } }
      threshold   = 1, periods = 1, policies = []
    } }],
    !local.makes_queue ? [] : [{
      near-retention = {
        section     = "near-retention"
        description = "The oldest message has used most of the queue's retention: it is deleted unread when that ends."
        metric      = local.queue_metrics[0].oldest
        threshold   = var.queue_retention * 69120, periods = 5, policies = []
      }
    }],
    [{
      memory = {
        section     = "memory"
        description = "The tasks are short of memory; at 100 % ECS kills them."
        metric      = { namespace = "AWS/ECS", name = "MemoryUtilization", stat = "Maximum", dimensions = { ClusterName = local.cluster_name, ServiceName = local.worker_name } }
        threshold   = 90, periods = 5, policies = []
      }
    }],
  )...)

  # From how far above the alarm's threshold, what changes; each step ends where the next begins, and the first has no lower end.
  scaling = merge(
    { for load in local.loads : "scale-out${load.suffix}" => { cooldown = 240, aggregation = "Maximum", steps = [[0, 1], [1, 2], [2, 4], [4, 10], [10, 100]] } },
    {
      scale-in = { cooldown = 300, aggregation = "Minimum", steps = [[0, -1], [1, -2], [3, -4]] }
      waiting  = { cooldown = 900, aggregation = null, steps = [[0, 1]] }
    },
  )
  steps = { for name, policy in local.scaling : name => [
    for index, step in policy.steps : {
      lower  = index == 0 ? null : tostring(step[0])
      upper  = index == length(policy.steps) - 1 ? null : tostring(policy.steps[index + 1][0])
      change = step[1]
    }
  ] }
}
