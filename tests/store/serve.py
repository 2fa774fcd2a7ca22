"""An S3 server for tests, by moto: on a free loopback port, in memory, until standard input ends.

Prints the address of an empty bucket and the access key of the one user it knows,
"http://HOST:PORT/BUCKET ID SECRET". Whoever signs with anything else is refused.
"""

import json
import logging
import os
import sys

# The three calls that make the user are signed by nobody.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3
from moto.server import ThreadedMotoServer

USER, BUCKET, REGION = "rongqiao", "files", "us-east-1"
ALLOWED = ["s3:CreateBucket", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"]

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()


def client(service, key, secret):
    return boto3.client(
        service,
        endpoint_url=f"http://{host}:{port}",
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


iam = client("iam", "nobody", "nobody")
iam.create_user(UserName=USER)
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
iam.put_user_policy(UserName=USER, PolicyName="files", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName=USER)["AccessKey"]
key, secret = key["AccessKeyId"], key["SecretAccessKey"]
client("s3", key, secret).create_bucket(Bucket=BUCKET)
print(f"http://{host}:{port}/{BUCKET} {key} {secret}", flush=True)
sys.stdin.read()
server.stop()
