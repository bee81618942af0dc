# Postrider in a container, not as root. See docs/operations.md.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
ARG BUILD_COMMIT
# What was compiled before is kept between builds: an edit builds what it changes.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package postrider && cp target/release/postrider /postrider

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin postrider \
    && install -d -o postrider -g postrider -m 0700 /data
COPY --from=build /postrider /usr/local/bin/postrider
USER 10001
VOLUME /data
# data_dir = "/data"; the admin API stays on the container's loopback unless the config says otherwise.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["/usr/local/bin/postrider", "status", "--check", "--config", "/etc/postrider/config.toml"]
ENTRYPOINT ["/usr/local/bin/postrider"]
CMD ["serve", "--config", "/etc/postrider/config.toml"]
