"""A certificate of an OPC UA server and its key, for the interop tests, right or wrong.

    certificate.py CERTIFICATE KEY [--uri URI] [--host HOST] [--first DAYS] [--last DAYS] [--revoke LIST]

It is made out to the application URI and to HOST, and is good from DAYS to DAYS from today. LIST is where a list that revokes it
is written, as its own issuer.
"""

import argparse
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

arguments = argparse.ArgumentParser()
arguments.add_argument("certificate")
arguments.add_argument("key")
arguments.add_argument("--uri", default="urn:interop:asyncua")
arguments.add_argument("--host", default="127.0.0.1")
arguments.add_argument("--first", type=int, default=-1)
arguments.add_argument("--last", type=int, default=30)
arguments.add_argument("--revoke")
told = arguments.parse_args()

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asyncua"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "interop")])
try:
    host = x509.IPAddress(ipaddress.ip_address(told.host))
except ValueError:
    host = x509.DNSName(told.host)
today = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(today + told.first * day)
    .not_valid_after(today + told.last * day)
    # As node-opcua and others make them: the application uri is not the first of the names.
    .add_extension(x509.SubjectAlternativeName([host, x509.UniformResourceIdentifier(told.uri)]), critical=False)
    .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    .add_extension(
        x509.KeyUsage(True, True, True, True, False, False, False, False, False), critical=True
    )
    .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    .sign(key, hashes.SHA256())
)
with open(told.certificate, "wb") as file:
    file.write(certificate.public_bytes(serialization.Encoding.DER))
with open(told.key, "wb") as file:
    file.write(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
if told.revoke:
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(today).build()
    revoked = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(today)
        .next_update(today + day)
        .add_revoked_certificate(entry)
        .sign(key, hashes.SHA256())
    )
    with open(told.revoke, "wb") as file:
        file.write(revoked.public_bytes(serialization.Encoding.PEM))
