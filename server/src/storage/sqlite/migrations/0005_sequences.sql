CREATE TABLE `__new_reports` (
	`instance` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`mask` integer NOT NULL,
	`expires_at` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `__new_reports` SELECT `instance`, `seq`, 2147483647, `at` + 604800000 FROM `reports`;--> statement-breakpoint
DROP TABLE `reports`;--> statement-breakpoint
ALTER TABLE `__new_reports` RENAME TO `reports`;--> statement-breakpoint
CREATE INDEX `reports_by_expiry` ON `reports` (`expires_at`);
