# Where tasks run: a new VPC without internet, a new VPC with public subnets, or one that is there already.
data "aws_availability_zones" "this" {
  state = "available"
}

locals {
  makes_vpc   = var.network != "existing"
  makes_group = length(var.security_group_ids) == 0
  services = setsubtract(concat(
    ["sqs", "ecr.api", "ecr.dkr", "logs"],
    length(var.notify) == 0 ? [] : ["sns"],
    [for image in var.collector_image[*] : "xray"],
    var.task.execute_command ? ["ssmmessages"] : [],
    var.scale_out == "workers" ? ["ecs"] : [],
    var.endpoints,
  ), ["s3", "dynamodb"])
  vpc_id      = local.makes_vpc ? aws_vpc.this[0].id : var.vpc_id
  subnet_ids  = local.makes_vpc ? aws_subnet.this[*].id : var.subnet_ids
  file_groups = distinct([for mount in values(local.mounts) : mount.security_group])
  group_ids   = local.makes_group ? aws_security_group.worker[*].id : var.security_group_ids
}

resource "aws_vpc" "this" {
  count                = local.makes_vpc ? 1 : 0
  cidr_block           = "10.0.0.0/20"
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge({ Name = local.prefix }, var.tags)
}

resource "aws_subnet" "this" {
  count                   = local.makes_vpc ? 2 : 0
  vpc_id                  = local.vpc_id
  cidr_block              = cidrsubnet("10.0.0.0/20", 1, count.index)
  availability_zone       = data.aws_availability_zones.this.names[count.index]
  map_public_ip_on_launch = false
  tags                    = var.tags
}

resource "aws_route_table" "this" {
  count  = local.makes_vpc ? 1 : 0
  vpc_id = local.vpc_id
  tags   = var.tags
}

resource "aws_route_table_association" "this" {
  count          = local.makes_vpc ? 2 : 0
  route_table_id = aws_route_table.this[0].id
  subnet_id      = aws_subnet.this[count.index].id
}

resource "aws_internet_gateway" "this" {
  count  = var.network == "public" ? 1 : 0
  vpc_id = local.vpc_id
  tags   = var.tags
}

resource "aws_route" "internet" {
  count                  = var.network == "public" ? 1 : 0
  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

# Nothing comes in: the worker asks for its messages.
resource "aws_security_group" "worker" {
  # checkov:skip=CKV2_AWS_5: the service has it, by a local value
  count       = local.makes_group ? 1 : 0
  name_prefix = "${local.prefix}-tasks-"
  description = "${local.prefix} tasks"
  vpc_id      = local.vpc_id
  tags        = var.tags
  egress {
    description = "HTTPS out"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  dynamic "egress" {
    for_each = length(local.file_groups) == 0 ? [] : [local.file_groups]
    content {
      description     = "EFS"
      protocol        = "tcp"
      from_port       = 2049
      to_port         = 2049
      security_groups = egress.value
    }
  }
  lifecycle {
    create_before_destroy = true
  }
}

# The mount targets of file systems let the tasks in.
resource "aws_security_group_rule" "files" {
  for_each                 = { for pair in setproduct(local.file_groups, range(length(local.group_ids))) : "${pair[0]} ${pair[1]}" => { to = pair[0], from = local.group_ids[pair[1]] } }
  type                     = "ingress"
  description              = "EFS from the tasks"
  protocol                 = "tcp"
  from_port                = 2049
  to_port                  = 2049
  security_group_id        = each.value.to
  source_security_group_id = each.value.from
}

resource "aws_security_group" "endpoints" {
  count       = var.network == "private" ? 1 : 0
  name_prefix = "${local.prefix}-endpoints-"
  description = "${local.prefix} endpoints"
  vpc_id      = local.vpc_id
  tags        = var.tags
  ingress {
    description     = "HTTPS from the tasks"
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    security_groups = local.group_ids
  }
  lifecycle {
    create_before_destroy = true
  }
}

# The images' layers come from S3.
resource "aws_vpc_endpoint" "gateway" {
  for_each          = var.network == "private" ? toset(concat(["s3"], contains(var.endpoints, "dynamodb") ? ["dynamodb"] : [])) : toset([])
  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${local.region}.${each.value}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = aws_route_table.this[*].id
  policy            = lookup(var.endpoint_policies, each.value, null)
  tags              = var.tags
}

resource "aws_vpc_endpoint" "this" {
  for_each            = var.network == "private" ? local.services : toset([])
  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${local.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = local.subnet_ids
  security_group_ids  = aws_security_group.endpoints[*].id
  policy              = lookup(var.endpoint_policies, each.value, null)
  tags                = var.tags
}
