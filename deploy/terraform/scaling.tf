# The scaling of the fleet and the alarms, as metrics.tf has them.
resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${local.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks
  tags               = var.tags
}

resource "aws_appautoscaling_policy" "this" {
  for_each           = local.scaling
  name               = "${local.prefix}-${each.key}"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id
  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = each.value.cooldown
    metric_aggregation_type = each.value.aggregation
    dynamic "step_adjustment" {
      for_each = local.steps[each.key]
      content {
        metric_interval_lower_bound = step_adjustment.value.lower
        metric_interval_upper_bound = step_adjustment.value.upper
        scaling_adjustment          = step_adjustment.value.change
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "math" {
  for_each            = local.math_alarms
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description} docs/alarms.md#${each.value.section}"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = "notBreaching"
  alarm_actions       = each.value.policy == null ? [local.alarms_arn] : [aws_appautoscaling_policy.this[each.value.policy].arn]
  ok_actions          = each.value.policy == null ? [local.alarms_arn] : []
  tags                = var.tags
  dynamic "metric_query" {
    for_each = each.value.metrics
    content {
      id          = metric_query.key
      return_data = false
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions != null ? metric_query.value.dimensions : { ApiId = aws_apigatewayv2_api.this[0].id }
        period      = each.value.period
        stat        = metric_query.value.stat
      }
    }
  }
  dynamic "metric_query" {
    for_each = each.value.sums
    content {
      id          = metric_query.key
      expression  = metric_query.value
      return_data = false
    }
  }
  dynamic "metric_query" {
    for_each = each.value.result
    content {
      id          = metric_query.key
      expression  = metric_query.value
      return_data = true
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${local.prefix}-${each.key}"
  alarm_description   = "${each.value.description} docs/alarms.md#${each.value.section}"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = concat([local.alarms_arn], [for policy in each.value.policies : aws_appautoscaling_policy.this[policy].arn])
  ok_actions          = [local.alarms_arn]
  namespace           = each.value.metric.namespace
  metric_name         = each.value.metric.name
  statistic           = each.value.metric.stat
  dimensions          = each.value.metric.dimensions
  period              = 60
  tags                = var.tags
}

# ECS says by an event, and by no metric, that a deployment failed.
resource "aws_cloudwatch_event_rule" "failed_deployment" {
  name        = "${local.prefix}-failed-deployment"
  description = "A deployment of the service failed. docs/alarms.md#failed-deployment"
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Deployment State Change"]
    resources     = [aws_ecs_service.this.id]
    detail        = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "failed_deployment" {
  rule = aws_cloudwatch_event_rule.failed_deployment.name
  arn  = local.alarms_arn
  input_transformer {
    input_paths    = { service = "$.resources[0]", reason = "$.detail.reason" }
    input_template = "\"A deployment of <service> failed: <reason> docs/alarms.md#failed-deployment\""
  }
}
