# SPDX-License-Identifier: MIT
#   docker build -t server --build-arg COMMIT="$(git rev-parse --short HEAD)" .
#   docker run --rm -p 8080:8080 server --model=threads
# With its limits and neighbours: deploy/. As process 1 the server reaps what is orphaned, and ends by SIGTERM.
# Options follow the image's name; settings can also be given as -e SERVER_NAME=value.
FROM debian:13-slim AS build
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc libc6-dev make libev-dev \
        libhttp-parser-dev libpq-dev libsqlite3-dev libhiredis-dev zlib1g-dev
WORKDIR /src
COPY . .
# For --version: what is built has no history with it.
ARG COMMIT
RUN make -j"$(nproc)" COMMIT="$COMMIT" server && \
    make COMMIT="$COMMIT" install DESTDIR=/out PREFIX=/usr

FROM debian:13-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends libev4t64 libhttp-parser2.9 libpq5 libsqlite3-0 \
        libhiredis1.1.0 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin server && \
    install -d -o server -g server /var/lib/server
COPY --from=build /out/usr/bin/server /usr/bin/server
COPY share/docker/health /usr/local/bin/server-health
# By number, which Kubernetes' runAsNonRoot can judge.
USER 10001:10001
# Other containers and the host reach it by the container's address, not by its loopback.
# docker stop kills what has not ended after 10 seconds.
ENV SERVER_LISTEN=0.0.0.0:8080 SERVER_SHUTDOWN_TIMEOUT=8 STATE_DIRECTORY=/var/lib/server
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["server-health"]
ENTRYPOINT ["server"]
