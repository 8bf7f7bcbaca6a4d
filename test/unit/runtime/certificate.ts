// A key and its self-signed certificate for 127.0.0.1, for tests and for nothing else:
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
//     -subj /CN=service-processor -addext subjectAltName=IP:127.0.0.1

export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNzrhlSK+eMEbM6d6
+F2QwgIuY61brXlm0e9eSJKAVzKhRANCAAT75GzdsIcagwuZ01ajijARF0kEtlbN
uMJv8tqi/Q4nKL9c390miXrBjPqfBGb47LCULvWNG0IplIMZyOAelg2e
-----END PRIVATE KEY-----
`;

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnzCCAUagAwIBAgIUPkRkGTLNTGSZqN24k74lsRYH1yIwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRc2VydmljZS1wcm9jZXNzb3IwIBcNMjYxMTIwMTkzMTE0WhgP
MjEyNjEwMjcxOTMxMTRaMBwxGjAYBgNVBAMMEXNlcnZpY2UtcHJvY2Vzc29yMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE++Rs3bCHGoMLmdNWo4owERdJBLZWzbjC
b/Laov0OJyi/XN/dJol6wYz6nwRm+OywlC71jRtCKZSDGcjgHpYNnqNkMGIwHQYD
VR0OBBYEFOr+S9UqZtdtTpKb2lRcZX75oKgoMB8GA1UdIwQYMBaAFOr+S9UqZtdt
TpKb2lRcZX75oKgoMA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAK
BggqhkjOPQQDAgNHADBEAiBWGYXTU/aLh/aKzxVvUWcf51EdSsQgr4+unXTih9jZ
CwIgYovsOIkQV/PLiDMlzqPxa466YyMLroXdDUuDxahIkp8=
-----END CERTIFICATE-----
`;
