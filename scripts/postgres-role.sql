-- Run by the postgres container for a new volume: creates the role that Billor connects as.
-- It owns its database and has no other rights.
\getenv password POSTGRES_PASSWORD
CREATE ROLE billor LOGIN PASSWORD :'password';
CREATE DATABASE billor OWNER billor;
-- Then the superuser cannot connect over the network, only by `docker compose exec`.
ALTER ROLE postgres PASSWORD NULL;
