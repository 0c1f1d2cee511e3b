-- Processes that start at once on an empty database agree on one deployment.
CREATE UNIQUE INDEX one_deployment ON deployment ((TRUE));
