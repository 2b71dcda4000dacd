-- What the postgres container does when its volume is new: makes the role that Billor connects as.
-- It owns its database and may do nothing else.
\getenv password POSTGRES_PASSWORD
CREATE ROLE billor LOGIN PASSWORD :'password';
CREATE DATABASE billor OWNER billor;
-- The superuser cannot be reached over the network then, only by `docker compose exec`.
ALTER ROLE postgres PASSWORD NULL;
