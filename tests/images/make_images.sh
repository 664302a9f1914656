#!/bin/sh
# make_images.sh FOLDER: the images of the demo and the e2e tests, and the registry that serves them, from Debian
# packages that are downloaded and unpacked there but never installed:
#   FOLDER/alpine-latest.tar, FOLDER/nginx-stable-alpine.tar    OCI archives
#   FOLDER/docker-registry                                     the program
# Runs as any user. Does nothing when all is there already; FOLDER/debs keeps the packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?"usage: make_images.sh FOLDER"}
mkdir -p "$folder/debs"
folder=$(cd "$folder" && pwd)
packages="busybox-static nginx nginx-common libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g docker-registry"

newest=$(ls -t "$here"/make_images.sh "$here"/make_images.py "$here"/oci_image.py "$folder/images.done" 2>/dev/null | head -n 1)
if [ "$newest" = "$folder/images.done" ] && [ -f "$folder/alpine-latest.tar" ] &&
  [ -f "$folder/nginx-stable-alpine.tar" ] && [ -x "$folder/docker-registry" ]; then
  exit 0
fi

work=$(mktemp -d "$folder/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
for package in $packages; do
  deb=$(find "$folder/debs" -name "${package}_*.deb" | head -n 1)
  if [ -z "$deb" ]; then
    echo "== fetching $package"
    # Root's downloads would run as user _apt, who may not write here.
    (cd "$folder/debs" && apt-get -q -o APT::Sandbox::User=root download "$package" >"$work/log" 2>&1) || {
      cat "$work/log" >&2
      echo "cannot fetch Debian's package $package: is 'apt-get update' done, and a mirror reachable?" >&2
      exit 1
    }
    deb=$(find "$folder/debs" -name "${package}_*.deb" | head -n 1)
  fi
  mkdir "$work/$package"
  dpkg-deb -x "$deb" "$work/$package"
done
install -m 755 "$work/docker-registry/usr/bin/docker-registry" "$folder/docker-registry"
rm -rf "$work/docker-registry"
echo "== making alpine-latest.tar and nginx-stable-alpine.tar"
PYTHONDONTWRITEBYTECODE=1 python3 "$here/make_images.py" "$work" "$folder" "$(dpkg --print-architecture)"
touch "$folder/images.done"
