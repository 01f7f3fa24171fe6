# The mapping templates of deploy/templates, filled in as the CDK's app fills them in.
locals {
  templates = "${path.module}/../templates"

  # SQS's words for what the sender has done wrong.
  sender_codes = join("|", [
    "InvalidMessageContents", "InvalidParameterValue", "InvalidAttributeValue", "MissingParameter", "MissingRequiredParameter",
    "InvalidParameterCombination", "UnsupportedOperation", "Serialization", "Validation", "EmptyBatchRequest",
    "TooManyEntriesInBatchRequest", "BatchEntryIdsNotDistinct", "InvalidBatchEntryId",
  ])
  # The older routes know no groups: each of their messages is one.
  older_group = local.is_fifo ? "\"MessageGroupId\":\"$context.extendedRequestId\",\"MessageDeduplicationId\":\"$context.extendedRequestId\"," : ""

  # Without comments and what is only there to be read.
  stripped = {
    for file in fileset(local.templates, "*.vtl") : file => join("\n", [
      for line in split("\n", file("${local.templates}/${file}")) :
      replace(replace(trimspace(line), "\": ", "\":"), "\", ", "\",")
      if trimspace(line) != "" && !startswith(trimspace(line), "##")
    ])
  }
  # A template may stand in another one, that in a third.
  once = {
    for name, text in local.stripped : name => replace(replace(replace(text,
      "@{own_trace.vtl}", local.stripped["own_trace.vtl"]),
      "@{traced.vtl}", local.stripped["traced.vtl"]),
    "@{quote.vtl}", local.stripped["quote.vtl"])
  }
  # Whether the JSON of an entry's body is a text.
  is_plain_text = var.message_schema == null ? "$body.startsWith('\"')" : "false"
  template = {
    for name, text in local.once : name => replace(replace(replace(replace(replace(text,
      "@{trace.vtl}", local.once["trace.vtl"]),
      "@{senderCodes}", "|${local.sender_codes}|"),
      "@{queueUrl}", "$stageVariables.queueUrl"),
      "@{isPlainText}", local.is_plain_text),
    "@{fifoGroup}", local.older_group)
  }
}
