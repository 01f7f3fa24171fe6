# The HTTP API: the cheaper door, one message a request, SQS's own answers.
locals {
  # A body is an argument of its own, and so need not be escaped; the older route knows no groups.
  http_routes = {
    "POST /v1/messages" = { body = "$request.body", group = "$request.header.x-message-group-id" }
    "GET /v1/send"      = { body = "$request.querystring.MessageBody", group = "$context.requestId" }
  }
  # JSON into which this kind of API writes a variable without escaping it: only what API Gateway itself has made may be in it.
  http_attributes = "{\"requestId\":{\"DataType\":\"String\",\"StringValue\":\"$${context.requestId}\"}}"
}

resource "aws_apigatewayv2_api" "this" {
  name          = "${local.prefix}-http-api"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "this" {
  for_each               = local.http_routes
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_subtype    = "SQS-SendMessage"
  payload_format_version = "1.0"
  credentials_arn        = aws_iam_role.api.arn
  request_parameters = merge(
    { QueueUrl = aws_sqs_queue.this.id, MessageBody = each.value.body, MessageAttributes = local.http_attributes },
    var.fifo ? { MessageGroupId = each.value.group } : {},
  )
}

resource "aws_apigatewayv2_route" "this" {
  for_each           = local.http_routes
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  authorization_type = "AWS_IAM"
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  default_route_settings {
    detailed_metrics_enabled = true
    throttling_burst_limit   = var.api_throttling
    throttling_rate_limit    = var.api_throttling
  }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      requestId         = "$context.requestId"
      time              = "$context.requestTime"
      ip                = "$context.identity.sourceIp"
      principal         = "$context.identity.userArn"
      method            = "$context.httpMethod"
      route             = "$context.routeKey"
      status            = "$context.status"
      responseBytes     = "$context.responseLength"
      latencyMs         = "$context.responseLatency"
      integrationStatus = "$context.integrationStatus"
    })
  }
}
