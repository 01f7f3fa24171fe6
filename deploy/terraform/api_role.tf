# The one role by which both APIs write: it may send to the queue and use its key, and nothing else.
# Without a condition on the account or the API: API Gateway tells neither, and each request would fail. docs/security.md has the sources.
data "aws_iam_policy_document" "api_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "api" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]
  }
  dynamic "statement" {
    for_each = local.queue_keys
    content {
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sqs.${local.region}.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role" "api" {
  count              = var.apis == "none" ? 0 : 1
  name_prefix        = "${substr(local.prefix, 0, 30)}-api-"
  assume_role_policy = data.aws_iam_policy_document.api_trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "api" {
  count  = var.apis == "none" ? 0 : 1
  name   = "Send"
  role   = aws_iam_role.api[0].id
  policy = data.aws_iam_policy_document.api.json
}
