# The HTTP API: the cheaper door, one message a request, SQS's own answers.
resource "aws_apigatewayv2_api" "this" {
  count                        = local.has_http ? 1 : 0
  name                         = "${local.prefix}-http-api"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.http.domain != null
  tags                         = var.tags
  dynamic "cors_configuration" {
    for_each = var.http.cors[*]
    content {
      allow_origins = cors_configuration.value.origins
      allow_methods = ["GET", "POST"]
      allow_headers = [for name in local.cors_headers : lower(name)]
      max_age       = cors_configuration.value.max_age
    }
  }
}

resource "aws_apigatewayv2_authorizer" "this" {
  for_each                          = local.http_authorizers
  api_id                            = aws_apigatewayv2_api.this[0].id
  name                              = "${local.prefix}-http-api"
  authorizer_type                   = each.value.type
  identity_sources                  = [each.value.identity_source]
  authorizer_uri                    = each.value.function == null ? null : "${local.invocations}/${each.value.function}/invocations"
  authorizer_result_ttl_in_seconds  = each.value.ttl
  authorizer_payload_format_version = each.value.function == null ? null : "1.0"
  dynamic "jwt_configuration" {
    for_each = each.value.jwt
    content {
      issuer   = jwt_configuration.value.issuer
      audience = jwt_configuration.value.audience
    }
  }
}

resource "aws_lambda_permission" "http" {
  for_each      = { for name, authorizer in local.http_authorizers : name => authorizer.function if authorizer.function != null }
  action        = "lambda:InvokeFunction"
  function_name = each.value
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this[0].execution_arn}/authorizers/*"
}

resource "aws_apigatewayv2_integration" "this" {
  for_each               = local.has_http ? local.http_routes : {}
  api_id                 = aws_apigatewayv2_api.this[0].id
  integration_type       = "AWS_PROXY"
  integration_subtype    = "SQS-SendMessage"
  payload_format_version = "1.0"
  credentials_arn        = aws_iam_role.api[0].arn
  request_parameters = merge(
    { QueueUrl = local.queue_url, MessageBody = each.value.body, MessageAttributes = local.http_attributes },
    local.is_fifo ? { MessageGroupId = each.value.group } : {},
  )
}

resource "aws_apigatewayv2_route" "this" {
  for_each             = local.has_http ? local.http_routes : {}
  api_id               = aws_apigatewayv2_api.this[0].id
  route_key            = each.key
  authorization_type   = local.http_gate.type
  authorizer_id        = contains(["JWT", "CUSTOM"], local.http_gate.type) ? aws_apigatewayv2_authorizer.this["this"].id : null
  authorization_scopes = length(local.http_gate.scopes) == 0 ? null : local.http_gate.scopes
  target               = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
}

resource "aws_apigatewayv2_stage" "this" {
  count       = local.has_http ? 1 : 0
  api_id      = aws_apigatewayv2_api.this[0].id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags
  default_route_settings {
    detailed_metrics_enabled = true
    throttling_burst_limit   = var.api_throttling
    throttling_rate_limit    = var.api_throttling
  }
  dynamic "route_settings" {
    for_each = var.http.throttling
    content {
      route_key                = route_settings.key
      detailed_metrics_enabled = true
      throttling_burst_limit   = route_settings.value
      throttling_rate_limit    = route_settings.value
    }
  }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api[0].arn
    format          = local.log_formats.http
  }
  # The settings of a route want the route.
  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_apigatewayv2_domain_name" "this" {
  for_each    = { for domain in local.has_http ? var.http.domain[*] : [] : domain.name => domain }
  domain_name = each.key
  tags        = var.tags
  domain_name_configuration {
    certificate_arn = each.value.certificate
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
  dynamic "mutual_tls_authentication" {
    for_each = each.value.trust_store[*]
    content {
      truststore_uri = mutual_tls_authentication.value
    }
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each    = aws_apigatewayv2_domain_name.this
  api_id      = aws_apigatewayv2_api.this[0].id
  domain_name = each.value.id
  stage       = aws_apigatewayv2_stage.this[0].id
}
