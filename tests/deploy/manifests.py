"""Validates the Kubernetes manifests against the published schemas, and what must fit together in them."""
import sys

import kubernetes_validate
import yaml

documents = list(yaml.safe_load_all(open(sys.argv[1])))
for document in documents:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
by_kind = {document["kind"]: document for document in documents}
stateful = by_kind["StatefulSet"]["spec"]
container = stateful["template"]["spec"]["containers"][0]
environment = {variable["name"]: variable.get("value") for variable in container["env"]}
hosts = by_kind["ConfigMap"]["data"]["hostfile"].split()
assert stateful["replicas"] == len(hosts) == int(environment["HIGHWATER_PROCESSES"]), "as many hosts as processes"
for place, host in enumerate(hosts):
    assert host.startswith(f"highwater-{place}.{stateful['serviceName']}.highwater.svc."), host
assert stateful["serviceName"] in [d["metadata"]["name"] for d in documents if d["kind"] == "Service"]
volumes = {volume["name"] for volume in stateful["template"]["spec"]["volumes"]}
assert {mount["name"] for mount in container["volumeMounts"]} == volumes
print("\n".join(sorted(environment)))
