# What everything is called.
locals {
  prefix   = "${var.project_name}-${var.stage}"
  suffix   = var.fifo ? ".fifo" : ""
  queue    = "${local.prefix}-queue${local.suffix}"
  dlq      = "${local.prefix}-dlq${local.suffix}"
  worker   = "${local.prefix}-worker"
  rest_api = "${local.prefix}-rest-api"
}
