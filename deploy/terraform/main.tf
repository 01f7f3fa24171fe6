# Where it is, the key and the logs.
data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account    = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  dns_suffix = data.aws_partition.this.dns_suffix
  region     = data.aws_region.this.region
}

locals {
  key_arn = local.makes_key ? aws_kms_key.this[0].arn : var.existing.key
  # What the containers and the roles are told of this place.
  worker_log     = "/longshore/${local.prefix}/worker"
  worker_log_arn = aws_cloudwatch_log_group.worker.arn
}

data "aws_iam_policy_document" "key" {
  statement {
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
  statement {
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [for vended in ["", "/aws/vendedlogs"] : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${vended}/longshore/${local.prefix}/*"]
    }
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
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
  dynamic "statement" {
    for_each = length(var.subscriptions) == 0 ? [] : [var.subscriptions[*].topic]
    content {
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["*"]
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

resource "aws_kms_key" "this" {
  count               = local.makes_key ? 1 : 0
  description         = "${local.prefix}: queues, topics and logs"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
  tags                = var.tags
}

resource "aws_cloudwatch_log_group" "api" {
  count             = var.apis == "none" ? 0 : 1
  name              = "/aws/vendedlogs/longshore/${local.prefix}/api"
  retention_in_days = var.log_retention
  kms_key_id        = local.key_arn
  tags              = var.tags
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = local.worker_log
  retention_in_days = var.log_retention
  kms_key_id        = local.key_arn
  tags              = var.tags
}
