# AWS calls for the testbed, one per line: a JSON request on standard input, its JSON answer on standard output.
# Ends when its input does, so it never outlives the process that asks.
import base64
import json
import signal
import ssl
import sys
import urllib.request

import botocore.config
import botocore.exceptions
import botocore.session

# Ctrl-C is for whoever asks; that ends the input.
signal.signal(signal.SIGINT, signal.SIG_IGN)
endpoint, trust, region = sys.argv[1:]
session = botocore.session.Session()
config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=60)
clients = {}
BLOBS = ("Body", "ZipFile")


def client(service, key, secret):
    if (service, key, secret) not in clients:
        clients[service, key, secret] = session.create_client(
            service, region_name=region, endpoint_url=endpoint, verify=trust,
            aws_access_key_id=key, aws_secret_access_key=secret, config=config,
        )
    return clients[service, key, secret]


def tell(handle):
    said = json.dumps({"Status": "SUCCESS", "Reason": "told to", "UniqueId": "1", "Data": ""}).encode()
    put = urllib.request.Request(handle, data=said, method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(put, context=ssl.create_default_context(cafile=trust)).read()


def answer(request):
    params = request["params"]
    if request["service"] == "wait condition":
        try:
            tell(params["handle"])
        except OSError as error:
            return {"code": type(error).__name__, "message": str(error)}
        return {"reply": {}}
    for blob in BLOBS:
        if blob in params:
            params[blob] = base64.b64decode(params[blob])
    try:
        reply = client(request["service"], request["key"], request["secret"])._make_api_call(request["operation"], params)
    except botocore.exceptions.ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
    except Exception as error:  # told to whoever asked; the next request may do better
        return {"code": type(error).__name__, "message": str(error)}
    reply.pop("ResponseMetadata", None)
    if hasattr(reply.get("Body"), "read"):
        reply["Body"] = base64.b64encode(reply["Body"].read()).decode()
    return {"reply": reply}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=str), flush=True)
