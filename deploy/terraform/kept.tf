# What nothing may destroy while data is "keep": it goes, or is made anew, whenever a queue or the key does, and Terraform refuses that. The
# queues themselves cannot say so, since a lifecycle takes no variables.
resource "terraform_data" "kept" {
  count            = local.keeps_data ? 1 : 0
  triggers_replace = local.kept_arns

  lifecycle {
    prevent_destroy = true
  }
}
