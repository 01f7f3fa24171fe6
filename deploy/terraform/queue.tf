# The queue and its DLQ, and the topics of the outcomes and of the alarms. Unlike a stack, Terraform destroys queues with the messages in
# them: kept.tf stands against it.
locals {
  queue_arn  = local.makes_queue ? aws_sqs_queue.this[0].arn : var.existing.queue
  queue_url  = local.makes_queue ? aws_sqs_queue.this[0].id : local.url_of[var.existing.queue]
  dlq_arns   = local.makes_queue ? aws_sqs_queue.dlq[*].arn : var.existing.dlq[*]
  dlq_urls   = local.makes_queue ? aws_sqs_queue.dlq[*].id : [for arn in var.existing.dlq[*] : local.url_of[arn]]
  topic_arn  = local.makes_topic ? aws_sns_topic.this["topic"].arn : var.existing.topic
  alarms_arn = local.makes_alarm_topic ? aws_sns_topic.this["alarms"].arn : var.existing.alarm_topic
  # A list that changes where one of them goes, or is another one.
  kept_arns = concat(aws_sqs_queue.this[*].arn, aws_sqs_queue.dlq[*].arn, aws_kms_key.this[*].arn)
  topics    = { for name, is_made in { topic = local.makes_topic, alarms = local.makes_alarm_topic } : name => "${local.prefix}-${name}" if is_made }
}

resource "aws_sqs_queue" "dlq" {
  count                             = local.makes_queue ? 1 : 0
  name                              = local.dlqs[0]
  kms_master_key_id                 = local.key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 1209600
  receive_wait_time_seconds         = 20
  visibility_timeout_seconds        = var.visibility
  fifo_queue                        = local.is_fifo ? true : null
  content_based_deduplication       = local.is_fifo ? true : null
  deduplication_scope               = local.is_fifo ? "messageGroup" : null
  fifo_throughput_limit             = local.is_fifo ? "perMessageGroupId" : null
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["arn:${local.partition}:sqs:${local.region}:${local.account}:${local.queue}"]
  })
  tags = var.tags
}

resource "aws_sqs_queue" "this" {
  count                             = local.makes_queue ? 1 : 0
  name                              = local.queue
  kms_master_key_id                 = local.key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = var.queue_retention * 86400
  receive_wait_time_seconds         = 20
  visibility_timeout_seconds        = var.visibility
  fifo_queue                        = local.is_fifo ? true : null
  content_based_deduplication       = local.is_fifo ? true : null
  deduplication_scope               = local.is_fifo ? "messageGroup" : null
  fifo_throughput_limit             = local.is_fifo ? "perMessageGroupId" : null
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dlq[0].arn
    maxReceiveCount     = var.dlq_retries
  })
  tags = var.tags
}

data "aws_iam_policy_document" "queue" {
  for_each = local.makes_queue ? { queue = aws_sqs_queue.this[0].arn, dlq = aws_sqs_queue.dlq[0].arn } : {}
  statement {
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  dynamic "statement" {
    for_each = each.key == "dlq" || length(var.subscriptions) == 0 ? [] : [var.subscriptions[*].topic]
    content {
      actions   = ["sqs:SendMessage"]
      resources = [each.value]
      principals {
        type        = "Service"
        identifiers = ["sns.amazonaws.com"]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = statement.value
      }
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each  = local.makes_queue ? { queue = aws_sqs_queue.this[0].id, dlq = aws_sqs_queue.dlq[0].id } : {}
  queue_url = each.value
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

resource "aws_sns_topic_subscription" "queue" {
  count                = length(var.subscriptions)
  topic_arn            = var.subscriptions[count.index].topic
  protocol             = "sqs"
  endpoint             = local.queue_arn
  raw_message_delivery = var.subscriptions[count.index].raw
  filter_policy        = var.subscriptions[count.index].filter_policy
  filter_policy_scope  = var.subscriptions[count.index].filter_policy_scope
}

resource "aws_sns_topic" "this" {
  for_each          = local.topics
  name              = each.value
  kms_master_key_id = local.key_arn
  tags              = var.tags
}

# Both topics are for TLS only; what raises alarms may publish to the one that is for people.
data "aws_iam_policy_document" "topic" {
  for_each = local.topics
  statement {
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[each.key].arn]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  dynamic "statement" {
    for_each = each.key == "alarms" ? [aws_sns_topic.this[each.key].arn] : []
    content {
      actions   = ["sns:Publish"]
      resources = [statement.value]
      principals {
        type        = "Service"
        identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics
  arn      = aws_sns_topic.this[each.key].arn
  policy   = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "alarm_email" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = local.alarms_arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
