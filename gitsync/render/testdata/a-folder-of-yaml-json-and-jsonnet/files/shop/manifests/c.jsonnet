local names = import 'names.libsonnet';
function(copies) [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: names.of(std.extVar('app'), i) } }
  for i in std.range(1, copies)
] + [null]
