"""Makes library/alpine:latest and library/nginx:stable-alpine from unpacked Debian packages. Called by make_images.sh:
make_images.py PACKAGES OUTPUT ARCHITECTURE, where PACKAGES holds one unpacked package a folder."""
import pathlib
import subprocess
import sys

from oci_image import Image, Layer

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OS_RELEASE = 'NAME="Keelson test image"\nID=alpine\nVERSION_ID=3\nPRETTY_NAME="Keelson test image (Debian\'s busybox)"\n'
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\nnginx:x:101:101:nginx:/var/cache/nginx:/sbin/nologin\n"
GROUP = "root:x:0:root\nwheel:x:10:root\nwww-data:x:82:nginx\nnginx:x:101:nginx\nnobody:x:65534:\n"
NGINX_CONF = """\
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""
DEFAULT_CONF = """\
server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
"""
ENTRYPOINT = "#!/bin/sh\n# What the official image does beyond this is its own affair.\nexec \"$@\"\n"
INDEX = "<!DOCTYPE html>\n<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n"


def base_layers(packages):
    """Busybox with a link for each applet; the second layer changes, removes and replaces what the first one has."""
    busybox = (packages / "busybox-static/bin/busybox").read_bytes()
    applets = subprocess.run([packages / "busybox-static/bin/busybox", "--list-full"], check=True, capture_output=True,
                             text=True).stdout.split()
    lower = Layer()
    for name in ("bin", "sbin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "run", "srv", "sys", "usr", "usr/bin", "usr/sbin",
                 "usr/lib", "usr/local", "usr/local/bin", "usr/share", "usr/share/old", "var", "var/log", "var/cache", "var/lib"):
        lower.directory(name)
    lower.directory("root", 0o700).directory("tmp", 0o1777).directory("var/tmp", 0o1777)
    lower.file("bin/busybox", busybox, 0o755)
    for applet in applets:
        if applet not in ("bin/busybox", "linuxrc"):
            lower.symlink(applet, "/bin/busybox")
    lower.file("etc/passwd", PASSWD).file("etc/group", GROUP).file("etc/shadow", "root:*::0:::::\n", 0o640)
    lower.file("etc/hosts", "127.0.0.1 localhost\n").file("etc/shells", "/bin/sh\n")
    lower.file("etc/os-release", "NAME=first layer\n").file("etc/gone", "removed by the second layer\n")
    lower.file("usr/share/old/one", "hidden by the second layer\n")
    upper = Layer()
    upper.directory("etc").file("etc/os-release", OS_RELEASE).whiteout("etc/gone").file("etc/motd", "Welcome!\n")
    upper.directory("usr").directory("usr/share").directory("usr/share/old").opaque("usr/share/old").file("usr/share/old/two", "new\n")
    return [lower.bytes(), upper.bytes()]


def libraries(packages):
    """What nginx is linked to, found by the packages' own loader: {path in the image: content}."""
    roots = [folder for folder in packages.iterdir() if folder.is_dir()]
    folders = sorted({str(so.parent) for root in roots for so in root.rglob("*.so*")})
    loader = next(path for root in roots for path in root.rglob("ld-linux*.so.*") if not path.is_symlink())
    listing = subprocess.run([loader, "--library-path", ":".join(folders), "--list", packages / "nginx/usr/sbin/nginx"], check=True,
                             capture_output=True, text=True).stdout
    found = {}
    for line in listing.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow:  # the loader itself is listed by the path that the program asks for
            path = name.lstrip("/") if name.startswith("/") else "usr/lib/" + name
            found[path] = pathlib.Path(rest.rsplit(" (", 1)[0]).read_bytes()
    return found


def nginx_layers(packages):
    software = Layer()
    made = {"usr", "usr/lib", "usr/sbin", "usr/share"}
    for name in sorted(made):
        software.directory(name)
    for path, content in libraries(packages).items():
        folder = path.rpartition("/")[0]
        if folder not in made:
            software.directory(folder)
            made.add(folder)
        software.file(path, content, 0o755)
    software.file("usr/sbin/nginx", (packages / "nginx/usr/sbin/nginx").read_bytes(), 0o755)
    software.directory("etc").directory("etc/nginx").directory("etc/nginx/conf.d")
    software.file("etc/nginx/mime.types", (packages / "nginx-common/etc/nginx/mime.types").read_bytes())
    software.file("etc/nginx/nginx.conf", NGINX_CONF).file("etc/nginx/conf.d/example.conf", "# removed by the next layer\n")
    software.directory("var").directory("var/lib").directory("var/lib/nginx", 0o755, (101, 101)).directory("var/log").directory("var/log/nginx")
    site = Layer()
    site.directory("etc").directory("etc/nginx").directory("etc/nginx/conf.d").whiteout("etc/nginx/conf.d/example.conf")
    site.file("etc/nginx/conf.d/default.conf", DEFAULT_CONF)
    site.file("docker-entrypoint.sh", ENTRYPOINT, 0o755)
    site.directory("usr").directory("usr/share").directory("usr/share/nginx").directory("usr/share/nginx/html")
    site.file("usr/share/nginx/html/index.html", INDEX)
    # The folders come from the layer below without being named here, as some builders do.
    site.symlink("var/log/nginx/access.log", "/dev/stdout").symlink("var/log/nginx/error.log", "/dev/stderr")
    return [software.bytes(), site.bytes()]


def main():
    packages, output, architecture = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    base = base_layers(packages)
    Image("library/alpine:latest", architecture, base, {"Cmd": ["/bin/sh"], "Env": [PATH]}).write_archive(output / "alpine-latest.tar")
    Image("library/nginx:stable-alpine", architecture, base + nginx_layers(packages), {
        "Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["nginx", "-g", "daemon off;"], "Env": [PATH],
        "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT"}).write_archive(output / "nginx-stable-alpine.tar")


if __name__ == "__main__":
    main()
