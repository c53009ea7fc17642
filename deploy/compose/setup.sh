#!/bin/sh
# Makes all that `docker compose up` needs and git must not know: .env, passwords, the master key, certificates.
#
# Safe to run again: it makes what is missing, changes nothing that is there, and refuses to make up a secret that
# existing data depends on. To renew a certificate, remove its two files in state/tls and run this again.
set -eu
umask 077
cd "${1:-$(dirname "$0")}"

CA_DAYS=3650
CERTIFICATE_DAYS=825
MAP_COUNT_MIN=1048576
PLAIN_UID=10001

stop() {
    echo "setup.sh: $*" >&2
    exit 1
}

# keep FILE TEXT: FILE holds TEXT from now on, all of it or nothing, unless it is there already.
keep() {
    [ ! -e "$1" ] || return 0
    draft=$(mktemp "$1.XXXXXX")
    printf '%s' "$2" >"$draft"
    ln "$draft" "$1"
    rm "$draft"
    echo "made $1"
}

# password NAME: its text, made when nobody has it yet. Hexadecimal, so that a URL needs no escapes.
password() {
    keep "state/passwords/$1" "$(openssl rand -hex 24)" >&2
    cat "state/passwords/$1"
}

# certificate NAME: a key and a certificate for the server that others call NAME.
certificate() {
    tls=state/tls/$1
    [ ! -e "$tls.crt" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$CERTIFICATE_DAYS" \
        -subj "/CN=$1" -addext "subjectAltName=DNS:$1,DNS:localhost,IP:127.0.0.1" \
        -addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=serverAuth" \
        -CA state/tls/ca.crt -CAkey state/authority/ca.key -keyout "$tls.key" -out "$tls.draft" 2>/dev/null ||
        stop "openssl made no certificate for $1; it must be 3.0 or newer"
    mv "$tls.draft" "$tls.crt"
    echo "made $tls.crt"
}

command -v openssl >/dev/null || stop "openssl is needed"
mkdir -p state/authority state/passwords state/secrets state/tls
for engine in postgres nats elasticsearch clickhouse qdrant valkey; do
    mkdir -p "state/data/$engine"
done

# Data without these is worth nothing, or locked: a new one would only hide that the old one is gone.
if [ -n "$(ls -A state/data/postgres)" ]; then
    for secret in passwords/postgres_superuser passwords/postgres_owner secrets/master_key; do
        [ -e "state/$secret" ] || stop "state/$secret is missing and there is data that needs it: put it back"
    done
fi

if [ "$(id -u)" = 0 ]; then uid=$PLAIN_UID gid=$PLAIN_UID; else uid=$(id -u) gid=$(id -g); fi
keep .env "$(cat env.example)

# Who runs in the containers and owns ./state: whoever ran setup.sh, or a number without rights if that was root.
AIGESTION_UID=$uid
AIGESTION_GID=$gid
"

if [ ! -e state/secrets/master_key ]; then
    openssl rand -out state/secrets/master_key 32
    echo "made state/secrets/master_key: without it nobody reads what people wrote. Keep a copy elsewhere, apart from the data's"
fi

if [ ! -e state/secrets/checkpoint_key ]; then
    openssl rand -out state/secrets/checkpoint_key 32
    echo "made state/secrets/checkpoint_key: signs checkpoints of the log. Keep 'aigestion audit key' and checkpoints elsewhere"
fi

superuser=$(password postgres_superuser)
owner=$(password postgres_owner)
runtime=$(password postgres_runtime)
database="postgres:5432/aigestion?sslmode=verify-full&sslrootcert=/etc/aigestion/ca.crt"
keep state/secrets/postgres_superuser_password "$superuser"
keep state/secrets/postgres_owner_password "$owner"
keep state/secrets/postgres_owner_url "postgresql://aigestion_owner:$owner@$database"
keep state/secrets/postgres_url "postgresql://aigestion:$runtime@$database"

relay=$(password nats_relay)
app=$(password nats_app)
reader=$(password nats_reader)
keep state/secrets/nats_passwords.conf "# Read by nats.conf.
NATS_RELAY_PASSWORD: \"$relay\"
NATS_APP_PASSWORD: \"$app\"
NATS_READER_PASSWORD: \"$reader\"
NATS_SYS_PASSWORD: \"$(password nats_sys)\"
"
keep state/secrets/nats_relay_url "tls://relay:$relay@nats:4222"
keep state/secrets/nats_app_url "tls://app:$app@nats:4222"

elastic=$(password elasticsearch)
keep state/secrets/elasticsearch_password "$elastic"
keep state/secrets/elasticsearch_url "https://elastic:$elastic@elasticsearch:9200"

clickhouse=$(password clickhouse)
digest=$(printf '%s' "$clickhouse" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
keep state/secrets/clickhouse_users.xml "<clickhouse>
    <users>
        <default remove=\"remove\"/>
        <aigestion>
            <password_sha256_hex>$digest</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </aigestion>
    </users>
</clickhouse>
"
keep state/secrets/clickhouse_url "http://aigestion:$clickhouse@clickhouse:8123"

qdrant=$(password qdrant)
keep state/secrets/qdrant_api_key "$qdrant"
keep state/secrets/qdrant.yaml "service:
  api_key: \"$qdrant\"
"

valkey=$(password valkey)
digest=$(printf '%s' "$valkey" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
keep state/secrets/valkey.acl "user default on nopass resetchannels -@all +ping
user aigestion on #$digest ~* &* +@all -@admin -@dangerous +info
"
keep state/secrets/valkey_url "valkey://aigestion:$valkey@valkey:6379/0"

keep state/secrets/operator_key "$(password operator)"

if [ ! -e state/tls/ca.crt ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$CA_DAYS" -subj "/CN=AIGestion's engines" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout state/authority/ca.key -out state/tls/ca.crt 2>/dev/null || stop "openssl made no authority"
    echo "made state/tls/ca.crt"
fi
for server in postgres nats elasticsearch; do
    certificate "$server"
done

if [ "$(id -u)" = 0 ]; then
    owner_of_state=$(sed -n 's/^AIGESTION_UID=//p' .env):$(sed -n 's/^AIGESTION_GID=//p' .env)
    chown -R "$owner_of_state" state/secrets state/tls
    chown "$owner_of_state" state state/data state/data/*
fi
if [ -r /proc/sys/vm/max_map_count ] && [ "$(cat /proc/sys/vm/max_map_count)" -lt "$MAP_COUNT_MIN" ]; then
    echo "Elasticsearch needs more of this machine: sysctl -w vm.max_map_count=$MAP_COUNT_MIN, and the same in /etc/sysctl.d"
fi
