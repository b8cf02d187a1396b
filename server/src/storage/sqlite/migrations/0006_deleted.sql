CREATE TABLE `deleted_rollouts` (
	`id` text PRIMARY KEY NOT NULL
);
