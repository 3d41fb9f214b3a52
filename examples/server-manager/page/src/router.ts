import { watch } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import { session } from './session'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/images' },
    { path: '/login', name: 'login', component: () => import('./pages/LoginPage.vue'), meta: { open: true } },
    { path: '/setup', name: 'setup', component: () => import('./pages/SetupPage.vue'), meta: { open: true } },
    { path: '/images', name: 'images', component: () => import('./pages/ImagesPage.vue') },
    { path: '/servers', name: 'servers', component: () => import('./pages/ServersPage.vue') },
    { path: '/servers/:id(\\d+)', name: 'server', component: () => import('./pages/ServerPage.vue') },
    { path: '/history', name: 'history', component: () => import('./pages/HistoryPage.vue') },
    { path: '/account', name: 'account', component: () => import('./pages/AccountPage.vue') },
    { path: '/users', name: 'users', component: () => import('./pages/UsersPage.vue') },
    { path: '/:rest(.*)*', name: 'unknown', component: () => import('./pages/UnknownPage.vue'), meta: { open: true } },
  ],
})

router.beforeEach((to) => {
  if (!to.meta.open && !session.token) return { name: 'login', query: to.path === '/images' ? {} : { next: to.path } }
  return true
})

watch(() => session.token, (token) => {
  const now = router.currentRoute.value
  if (!token && !now.meta.open) void router.push({ name: 'login', query: { next: now.path } })
})
