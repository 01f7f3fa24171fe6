# What everything is called, and where what is there already is.
locals {
  prefix       = "${var.project_name}-${var.stage}"
  suffix       = var.fifo ? ".fifo" : ""
  queue        = var.existing.queue == null ? "${local.prefix}-queue${local.suffix}" : reverse(split(":", var.existing.queue))[0]
  is_fifo      = endswith(local.queue, ".fifo")
  dlqs         = var.existing.queue == null ? ["${local.prefix}-dlq${local.suffix}"] : [for arn in var.existing.dlq[*] : reverse(split(":", arn))[0]]
  worker_name  = "${local.prefix}-worker"
  cluster_name = var.existing.cluster == null ? local.prefix : var.existing.cluster
  rest_api     = "${local.prefix}-rest-api"

  # The fourth to sixth part of an ARN are region, account and name.
  url_of = {
    for arn in distinct(concat(var.existing.queue[*], var.existing.dlq[*], var.queues[*].queue)) : arn => format("https://sqs.%s.${local.dns_suffix}/%s/%s", slice(split(":", arn), 3, 6)...)
  }

  keeps_data        = var.data == "keep"
  makes_queue       = var.existing.queue == null
  makes_key         = var.existing.key == null
  makes_topic       = var.existing.topic == null
  makes_alarm_topic = var.existing.alarm_topic == null
  makes_cluster     = var.existing.cluster == null
  makes_ecs_role    = var.ecs_role == "make"
}
