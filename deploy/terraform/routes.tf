# The routes of the REST API: what each sends to SQS, how SQS's answers come back, and what a request's JSON must look like.
locals {
  # With a schema there is none that is not held to it: no plain text, and nothing in an address.
  routes = { for name, route in local.all_routes : name => route if local.has_rest && (var.message_schema == null || route.parameter == null) }
  all_routes = {
    message = { method = "POST", path = "/v1/messages", action = "SendMessage", types = concat(["application/json"], var.message_schema == null ? ["text/plain"] : []), template = "send.vtl", status = "202", done = "sent.vtl", model = "message", parameter = null }
    batch   = { method = "POST", path = "/v1/messages/batch", action = "SendMessageBatch", types = ["application/json"], template = "send_batch.vtl", status = "202", done = "sent_batch.vtl", model = "batch", parameter = null }
    queue   = { method = "GET", path = "/queue", action = "SendMessage", types = ["application/json"], template = "send_parameter.vtl", status = "200", done = "sent_done.vtl", model = null, parameter = "message" }
    send    = { method = "GET", path = "/v1/send", action = "SendMessage", types = ["application/json"], template = "send_parameter.vtl", status = "200", done = "sent_older.vtl", model = null, parameter = "MessageBody" }
  }
  # Each part of a path, by its own path, below another one.
  parts = {
    for path in ["/queue", "/v1", "/v1/send", "/v1/messages", "/v1/messages/batch"] : path => { part = basename(path), above = dirname(path) }
    if anytrue([for route in local.routes : startswith("${route.path}/", "${path}/")])
  }
  # How SQS's answers come back; the template of a refusal chooses between 400, 413, 502 and 503, that of a batch between 202 and 207.
  # A 413 of SQS's is no JSON, so no template reads it.
  answers = merge([
    for name, route in local.routes : {
      "${name}-done"    = { route = name, status = route.status, pattern = "2\\d{2}", template = route.done }
      "${name}-long"    = { route = name, status = "413", pattern = "413", template = "too_long.vtl" }
      "${name}-refused" = { route = name, status = "400", pattern = "4(0\\d|1[0-24-9]|[2-9]\\d)", template = "refused.vtl" }
      "${name}-failed"  = { route = name, status = "503", pattern = "5\\d{2}", template = "failed.vtl" }
    }
  ]...)

  identifier = { type = "string", minLength = 1, maxLength = 128, pattern = "^[!-~]+$" }
  entries = {
    type     = "array"
    minItems = 1
    maxItems = 10
    items = {
      type                 = "object"
      required             = ["body"]
      additionalProperties = false
      properties = {
        id              = { type = "string", pattern = "^[A-Za-z0-9_-]{1,80}$" }
        body            = { for schema in var.message_schema[*] : "$ref" => "#/definitions/message" }
        groupId         = local.identifier
        deduplicationId = local.identifier
        delaySeconds    = { type = "integer", minimum = 0, maximum = 900 }
        # Ten in all, and each entry gets requestId.
        attributes = { type = "object", maxProperties = 9, additionalProperties = { type = "string", minLength = 1 } }
      }
    }
  }
  draft = "http://json-schema.org/draft-04/schema#"
  # The owner's schema as a part of another one: what it refers to within itself stands deeper there.
  definitions = {
    for schema in var.message_schema[*] : "definitions" => {
      message = jsondecode(replace(jsonencode({ for key, value in jsondecode(schema) : key => value if !contains(["$schema", "id"], key) }), "\"$ref\":\"#", "\"$ref\":\"#/definitions/message"))
    }
  }
  schemas = {
    for name, schema in {
      message = var.message_schema == null ? jsonencode({ "$schema" = local.draft, title = "Message" }) : var.message_schema
      batch = jsonencode(merge(local.definitions, {
        "$schema" = local.draft
        title     = "Batch"
        oneOf = [
          local.entries,
          { type = "object", required = ["entries"], additionalProperties = false, properties = { entries = local.entries } },
        ]
      }))
    } : name => schema if local.has_rest
  }
  gateway_headers = {
    for type, headers in { DEFAULT_4XX = {}, DEFAULT_5XX = { Retry-After = "'1'" }, THROTTLED = { Retry-After = "'1'" } } : type => merge(headers, local.origin) if local.has_rest
  }
  # No templates run here, and this variable alone comes with its quotes and escapes.
  gateway_answer = "{\"error\": {\"code\": \"$context.error.responseType\", \"message\": $context.error.messageString}}"
}
