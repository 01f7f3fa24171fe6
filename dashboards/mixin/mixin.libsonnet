// The dashboards, alerts and recording rules as a mixin, in the shape that https://monitoring.mixins.dev describes:
//
//   local longshore = (import 'longshore/dashboards/mixin/mixin.libsonnet') + {
//     _config+:: { runbook: 'https://git.example.com/longshore/docs/alerts.md' },
//   };
//
// `make dashboards` writes the JSON that they are made of, alerts.json from alerts.yaml: not every jsonnet reads YAML.
local rules = import 'alerts.json';

{
  _config+:: {
    // Where docs/alerts.md is read: the links of alerts and dashboards lead there.
    runbook: 'https://example.com/longshore/docs/alerts.md',
    // The stack of deploy/ that the CloudWatch dashboard opens on: `{project}-{stage}`.
    stack: '',
    // Objectives to change, by their names in alerts.yaml: `{ workers: 0, backlog_seconds: 900 }`.
    objectives: {},
    // Dashboards to leave out, by their files.
    without: [],
  },

  local config = self._config,
  local set(variable) =
    if variable.name == 'runbook' then variable { query: config.runbook, current: { text: config.runbook, value: config.runbook } }
    else if variable.name == 'stack' && config.stack != '' then variable { current: { text: config.stack, value: config.stack } }
    else variable,
  local dashboard(made) = made { templating+: { list: [set(variable) for variable in made.templating.list] } },
  local all = {
    'fleet.json': import '../fleet.json',
    'queue.json': import '../queue.json',
    'handlers.json': import '../handlers.json',
    'cloudwatch.json': import '../cloudwatch.json',
  },

  grafanaDashboardFolder:: 'Longshore',
  grafanaDashboards+:: { ['longshore-' + file]: dashboard(all[file]) for file in std.objectFields(all) if !std.member(config.without, file) },

  local prefix = 'longshore:objective:',
  local objective(rule) =
    local name = std.substr(rule.record, std.length(prefix), std.length(rule.record));
    if std.startsWith(rule.record, prefix) && std.objectHas(config.objectives, name)
    then rule { expr: 'vector(%s)' % config.objectives[name] }
    else rule,
  local alert(rule) = if std.objectHas(rule, 'record') then rule else rule { annotations+: { runbook_url: config.runbook + '#' + std.split(rule.annotations.runbook_url, '#')[1] } },
  // The records that alerts read stand in the group of the alerts.
  local ofAlerts(group) = std.length([rule for rule in group.rules if std.objectHas(rule, 'alert')]) > 0,
  local grouped(chosen, change) = {
    groups: [{ name: group.name, rules: [change(rule) for rule in group.rules] } for group in rules.groups if chosen(group)],
  },

  prometheusAlerts+:: grouped(ofAlerts, alert),
  prometheusRules+:: grouped(function(group) !ofAlerts(group), objective),
}
