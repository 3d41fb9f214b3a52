import type { BackupRequest } from './api/types'

/** What is asked for while nobody has chosen a backup. */
export const noBackup: BackupRequest = { backup: false, restore_on_rollback: false }
