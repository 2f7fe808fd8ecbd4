# SPDX-License-Identifier: MIT
#   docker build -t server .
#   docker run --rm -p 8080:8080 server --model=threads
# Options follow the image's name; settings can also be given as -e SERVER_NAME=value.
FROM debian:12-slim AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc libc6-dev make libev-dev \
        libhttp-parser-dev libpq-dev libsqlite3-dev libhiredis-dev
WORKDIR /src
COPY . .
RUN make -j"$(nproc)" server && make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends libev4 libhttp-parser2.9 libpq5 libsqlite3-0 \
        libhiredis0.14 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --no-create-home --shell /usr/sbin/nologin server && \
    install -d -o server -g server /var/lib/server
COPY --from=build /out/usr/bin/server /usr/bin/server
USER server
# Other containers and the host reach it by the container's address, not by its loopback.
ENV SERVER_LISTEN=0.0.0.0:8080 STATE_DIRECTORY=/var/lib/server
EXPOSE 8080
STOPSIGNAL SIGTERM
# bash opens the connection itself: the image needs no HTTP client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /hello HTTP/1.0\r\n\r\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["server"]
