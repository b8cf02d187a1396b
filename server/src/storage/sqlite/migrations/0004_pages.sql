ALTER TABLE `environments` ADD `page_secret` text;--> statement-breakpoint
ALTER TABLE `environments` ADD `user_hash` text DEFAULT 'off' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `origins` text;