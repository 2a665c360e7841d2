"""A collector for one test: takes OTLP/HTTP with JSON, reads it by OpenTelemetry's own protobuf definitions, and prints a
line of JSON for each metric and each span. An unknown or misspelt field is an error there, and a 400 to the sender.

The first `FAIL` requests are answered 503, in chunks, so that the sender has to send again."""
import base64
import http.server
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

fail = int(sys.argv[1])


def attributes(of):
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in of}


def say(**line):
    print(json.dumps(line), flush=True)


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        global fail
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if fail > 0:
            fail -= 1
            self.send_response(503)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\nbusy\r\n0\r\n\r\n")
            return
        kind = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}[self.path]
        # Ids are hexadecimal in OTLP's JSON, where protobuf's JSON has Base64.
        told = json.loads(body)
        for resource in told.get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in span:
                            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        request = json_format.Parse(json.dumps(told), kind())
        for resource in getattr(request, "resource_metrics", []):
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data"))
                    for point in data.data_points:
                        value = point.count if hasattr(point, "count") else point.as_int or point.as_double
                        say(metric=metric.name, kind=metric.WhichOneof("data"), value=value,
                            attributes=attributes(point.attributes), resource=attributes(resource.resource.attributes),
                            key=self.headers.get("api-key"))
        for resource in getattr(request, "resource_spans", []):
            for scope in resource.scope_spans:
                for span in scope.spans:
                    say(span=span.name, trace=span.trace_id.hex(), parent=span.parent_span_id.hex(),
                        ns=span.end_time_unix_nano - span.start_time_unix_nano, attributes=attributes(span.attributes))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
say(port=server.server_port)
server.serve_forever()
